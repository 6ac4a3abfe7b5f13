// From the directory of platforms to a certificate that is checked and revoked:
// the first screen, the directory, buying with every way a payment may go, an
// installation that breaks off, check, revocation, and the old phone's side of a
// recovery (rows 2.3.a–b, 2.6.1, 2.6.2, 2.7.1, 2.7.8, 2.7.9, 2.8.7).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, who, certificate
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试丙' })
  await person.signIn(world, phone, who)
})
after(() => world.close())

const link = (name) => page.getByRole('link', { name })
const button = (name) => page.getByRole('button', { name })

/** Places an order and opens its counter; gives both addresses. */
async function order() {
  await page.goto(`/buy/${PLATFORM}`)
  await button('提交订单').click()
  await page.waitForURL(/\/orders\//)
  const at = page.url()
  await button('去支付').click()
  await page.waitForURL(/\/sandbox\/pay\//)
  return { at, counter: page.url() }
}

test('2.3.a the first screen leads a newcomer, one step after the other', async () => {
  await page.getByText('三步开通手机证书').waitFor()
  await link('去认证').waitFor()
  await proper(phone, 'first screen of a newcomer')
  await phone.shot('home-new')
  await page.goto(`/buy/${PLATFORM}`)
  await link('去实名认证').waitFor()
  await proper(phone, 'checkout before the real name')
  await person.verify(world, phone, who)
  await page.goto('/')
  await link('去办理').click()
  await page.getByRole('heading', { name: '选择交易平台' }).waitFor()
})

test('2.6.1 platforms by province, searched while one types; one that is missing is wished for', async () => {
  await page.getByRole('heading', { name: '北京' }).waitFor()
  await proper(phone, 'directory')
  const search = page.getByRole('searchbox', { name: '搜索交易平台名称' })
  await search.fill('没有这个平台')
  await link('提交平台需求').waitFor()
  await proper(phone, 'nothing found')
  await phone.shot('platforms-none')
  await link('提交平台需求').click()
  assert.equal(await page.getByLabel('平台名称').inputValue(), '没有这个平台')
  await proper(phone, 'wish')
  await button('提交').click()
  await page.getByText('已提交').waitFor()
  await page.goto('/platforms')
  await search.fill('样例招采')
  await page.getByText('找到 1 个平台').waitFor()
  await phone.shot('platforms')
  await link(/样例招采平台/).click()
  await page.getByText('您在本平台还没有证书').waitFor()
  await proper(phone, 'platform')
  await link('新购证书').click()
})

test('2.6.2 CA, years and what they cost; the choice survives a reload', async () => {
  await page.getByRole('radio', { name: '2 年' }).check()
  await page.getByText('多年优惠').waitFor()
  await page.reload()
  assert.ok(await page.getByRole('radio', { name: '2 年' }).isChecked())
  await page.getByText('¥360.00').first().waitFor()
  await proper(phone, 'checkout')
  await phone.shot('checkout')
  await button('提交订单').click()
  await page.getByText('等待支付').waitFor()
  await proper(phone, 'order')
  await page.goto(`/buy/${PLATFORM}`)
  await link('继续支付').click()
  await page.waitForURL(/\/orders\//)
  await button('取消订单').click()
  await page.getByRole('dialog').getByRole('button', { name: '取消订单' }).click()
  await page.getByText('您已取消本订单').waitFor()
  await proper(phone, 'cancelled order')
})

test('2.6.2 a refused, a late and a double payment are told calmly', async () => {
  const refused = await order()
  await world.pay(refused.counter, 'fail')
  await page.goto(refused.at)
  await page.getByText('上一次支付没有成功').waitFor()
  const late = await order()
  await world.pay(late.counter, 'late')
  await page.goto(late.at)
  await page.getByText('本订单尚未支付，请重新支付').waitFor()
  await proper(phone, 'late payment')
  const twice = await order()
  await page.goBack()
  await page.getByText('正在等待支付结果').waitFor()
  await world.pay(twice.counter, 'pay-twice')
  await page.getByText('支付成功').waitFor()
  await proper(phone, 'paid order')
  await phone.shot('order-paid', { full: true })
})

test('2.7.8 an installation without a PIN leads to it and back; one that breaks off goes on', async () => {
  await link('立即安装').click()
  await page.waitForURL(/\/install$/)
  certificate = /certificates\/([^/]+)/.exec(page.url())[1]
  await page.getByText('先设置 PIN 码').waitFor()
  await proper(phone, 'installation before the PIN')
  await person.setPIN(world, phone, who)
  await page.goto(`/certificates/${certificate}/install`)
  // The phone is never told that the CA has issued.
  let issued = false
  const deaf = async (route) => {
    if (route.request().method() !== 'GET') return route.continue()
    const answer = await route.fetch().catch(() => undefined)
    const body = await answer?.json().catch(() => undefined)
    if (body?.state === 'installed') {
      issued = true
      body.state = 'issuing'
    }
    await (answer ? route.fulfill({ response: answer, json: body }) : route.abort()).catch(() => {})
  }
  await phone.context.route('**/installation', deaf)
  await button('输入 PIN 码并安装').click()
  await person.type(page, who.pin)
  await until(() => issued, 'the certificate', { timeout: 30_000 })
  page.once('dialog', (d) => void d.accept()) // leaving while it runs is asked about
  await page.goto('/')
  await phone.context.unrouteAll({ behavior: 'ignoreErrors' })
  await page.getByText('完成证书安装', { exact: true }).waitFor()
  await link(/去完成/).click()
  await page.getByText('还需在本机核对一次').waitFor()
  await proper(phone, 'unfinished installation')
  await button('继续安装').click()
  await person.type(page, who.pin)
  await page.getByText('安装成功').waitFor({ timeout: 40_000 })
  await proper(phone, 'installed')
  await phone.shot('installed')
})

test('2.3.a the first screen of somebody who has a certificate', async () => {
  await page.goto('/')
  await page.getByText('1 张有效').waitFor()
  await proper(phone, 'first screen')
  await phone.shot('home')
  await phone.dark(() => phone.shot('home-dark'))
  await link(/通知与待办/).click()
  await page.getByRole('tab', { name: /通知/ }).click()
  await page.getByText('证书已安装', { exact: true }).waitFor()
  await proper(phone, 'notices')
  await button('全部已读').click()
  await page.getByText('已全部标为已读').waitFor()
  await page.goto('/platforms')
  await page.getByText('可用证书 1 张').first().waitFor()
})

test('2.7.1 certificates by state, searched by holder and platform', async () => {
  await page.goto('/certificates')
  await link(/查看详情/).waitFor()
  await proper(phone, 'certificates')
  await phone.shot('certificates')
  const search = page.getByRole('searchbox')
  await search.fill('没有')
  await page.getByText('没有符合条件的证书').waitFor()
  await proper(phone, 'no certificate found')
  await search.fill('测试丙')
  await link(/查看详情/).click()
  await page.getByText('签名序列号').waitFor()
  await proper(phone, 'certificate')
  await phone.shot('certificate')
  await page.getByRole('tab', { name: '授权交易平台' }).click()
  await page.getByText('已授权', { exact: true }).waitFor()
  await proper(phone, 'platforms of a certificate')
})

test('2.7.9 a check names every item; a wrong PIN is asked for again', async () => {
  await link('检测').click()
  await person.type(page, who.pin === '908172' ? '908173' : '908172')
  await page.getByText('PIN 码错误').waitFor()
  await person.type(page, who.pin)
  await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
  for (const item of ['本机密钥', '证书链', '吊销状态', '有效期', '试签名', '试解密']) await page.getByText(item, { exact: true }).waitFor()
  await page.getByText('样例招采平台').waitFor()
  await proper(phone, 'check')
  await phone.shot('check', { full: true })
})

test('2.8.7 another phone is told early; its recovery can be stopped on the old one', async () => {
  const other = await world.phone()
  await other.page.goto('/')
  await person.signIn(world, other, who)
  await other.page.getByText('本机找不到证书密钥').waitFor()
  await proper(other, 'lost keys on the first screen')
  await other.shot('home-lost')
  await other.page.goto(`/certificates/${certificate}/check`)
  await other.page.getByText('需处理').first().waitFor()
  await proper(other, 'check of lost keys')
  await other.page.goto('/recover?reason=lost')
  await other.page.getByRole('button', { name: '获取验证码' }).click()
  await other.page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  await other.page.getByRole('button', { name: '下一步' }).click()
  await page.goto('/')
  await page.getByText('是您本人在换手机吗').waitFor()
  await proper(phone, 'recovery elsewhere')
  await phone.shot('recovery-elsewhere')
  await button('停止补办').click()
  await phone.accessible('asked before stopping')
  await page.getByRole('dialog').getByRole('button', { name: '停止补办' }).click()
  await page.getByText('已停止补办恢复').waitFor()
  await page.getByText('是您本人在换手机吗').waitFor({ state: 'detached' })
})

test('2.7.9 a revocation says what it means, and is final', async () => {
  await page.goto(`/certificates/${certificate}`)
  await link('吊销').click()
  await page.getByText('吊销后').waitFor()
  await proper(phone, 'revocation')
  await page.getByRole('radio', { name: '不再使用' }).check()
  assert.ok(await button('请勾选已知晓').isDisabled())
  await page.getByRole('checkbox', { name: '我已知晓吊销不可恢复' }).check()
  await phone.shot('revoke')
  await button('吊销证书').click()
  await person.type(page, who.pin)
  await page.getByText('证书已吊销', { exact: true }).waitFor({ timeout: 30_000 })
  await proper(phone, 'revoked')
  await page.goto(`/certificates/${certificate}`)
  await page.getByText('不能再签名').waitFor()
})
