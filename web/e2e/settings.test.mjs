// Row 2.3.d and the account's settings: help on every error page, display,
// devices, sessions that end under a form, signing out, closing.
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
  who = person.somebody({ name: '测试戊' })
  certificate = await person.enrol(world, phone, who, PLATFORM)
})
after(() => world.close())

const PASSWORD = 'quiet-harbour-42'
const dialog = (on = page) => on.getByRole('dialog')
const link = (name, on = page) => on.getByRole('link', { name })
const button = (name, on = page) => on.getByRole('button', { name })
const says = (words, on = page) => on.getByRole('alert').filter({ hasText: words }).waitFor()

test('2.3.d every page that cannot be loaded says what to do, bears its number and leads to help', async (t) => {
  const refusal = { type: 'urn:tianweitong:internal', title: 'Service Unavailable', status: 503, code: 'internal', detail: '服务暂时不可用，请稍后重试。', instance: 'urn:request:7f3a9c2e51' }
  const pages = ['/', '/platforms', `/platforms/${PLATFORM}`, '/me', '/certificates', `/certificates/${certificate}`, '/todos', '/usage', '/pin', '/settings', '/settings/devices', '/settings/close', '/realname', `/buy/${PLATFORM}`]
  let down = true
  const broken = (route) => (down ? route.fulfill({ status: 503, contentType: 'application/problem+json', json: refusal }) : route.continue())
  await phone.context.route(/\/app\/v1\/(?!environment)/, broken)
  t.after(() => phone.context.unroute(/\/app\/v1\/(?!environment)/))
  const without = []
  for (const path of pages) {
    await page.goto(path)
    await page.getByText(refusal.detail).first().waitFor().catch(() => without.push(`${path}: the sentence`))
    if ((await link('联系客服').count()) === 0) without.push(`${path}: help`)
    if ((await button('重试').count()) === 0) without.push(`${path}: another try`)
    if ((await page.getByText('7f3a9c2e51').count()) === 0) without.push(`${path}: its number`)
    await phone.fits()
  }
  assert.deepEqual(without, [])
  await page.goto('/settings/devices')
  await page.getByText(refusal.detail).waitFor()
  await proper(phone, 'failed')
  await phone.shot('03-error')
  down = false
  await button('重试').click()
  await page.getByText('本机', { exact: true }).waitFor()
})

test('2.3.d a page that does not exist leads back and to help, which has hotline, hours, web site and answers', async () => {
  await page.goto('/nowhere')
  await page.getByText('没有这个页面').waitFor()
  await proper(phone, 'no such page')
  await link('联系客服').click()
  await page.waitForURL(/\/help/)
  assert.equal(await link('拨打热线').getAttribute('href'), 'tel:400-666-3999')
  await page.getByText(/\d+:\d\d/).first().waitFor()
  assert.match(await page.getByRole('link', { name: /在新窗口打开/ }).getAttribute('href'), /^https:\/\//)
  await proper(phone, 'help')
  await phone.shot('03-help')
  await button('复制客服热线').click()
  await page.getByText('已复制').waitFor()
  await page.getByText('收不到短信验证码怎么办？').click()
  await page.getByText('请核对手机号，查看「拦截短信」').waitFor()
})

test('显示与大字: size and theme are kept on the phone', async () => {
  await page.goto('/settings')
  await proper(phone, 'settings')
  await phone.shot('10-settings')
  await page.goto('/settings/display')
  await page.getByText('特大').waitFor()
  const size = () => page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).fontSize))
  const normal = await size()
  await proper(phone, 'display')
  await phone.shot('10-display')
  await page.getByText('特大').click()
  await page.getByText('深色').click()
  await page.evaluate(() => document.activeElement.blur())
  await phone.shot('10-display-huge')
  await page.goto('/me')
  await page.getByText(who.name).waitFor()
  assert.ok(Math.abs((await size()) / normal - 1.4) < 0.01, `${await size()} is not 1.4 × ${normal}`)
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
  await phone.accessible('dark, largest text')
  await phone.fits()
  await page.goto('/settings/display')
  await page.getByText('标准').click()
  await page.getByText('跟随系统').click()
  await page.reload()
  await page.getByText('跟随系统').waitFor()
  assert.equal(await size(), normal)
})

test('登录密码: it is set, and a second device signs in with it', async () => {
  await page.goto('/settings/password')
  await button('获取验证码').click()
  await page.getByLabel(/短信验证码/).fill(await world.lastCode(who.phone))
  await phone.shot('10-password')
  await page.getByLabel('新密码', { exact: true }).fill(PASSWORD)
  await page.getByLabel('再次输入新密码').fill(PASSWORD)
  await button('保存').click()
  await page.waitForURL(/\/settings$/)
})

/** on: the login page, or the sheet over another one. */
async function byPassword(on) {
  const swap = on.getByRole('button', { name: '密码登录' })
  await swap.or(on.getByRole('button', { name: '验证码登录' })).waitFor()
  if (await swap.isVisible()) await swap.click()
  await on.getByLabel('登录密码').fill(PASSWORD)
  await on.getByRole('checkbox').check()
  await on.getByRole('button', { name: '登录', exact: true }).click()
}

async function another(options) {
  const visitor = await world.phone(options)
  await visitor.page.goto('/login')
  await visitor.page.getByLabel('手机号').fill(who.phone)
  await byPassword(visitor.page)
  await visitor.page.getByRole('navigation', { name: '主导航' }).waitFor()
  return visitor
}

let second
test('登录设备: others are listed and signed out, one or all; the one with the keys only by itself', async () => {
  second = await another()
  const third = await another({ width: 1280, height: 900 })
  await second.page.goto('/settings/devices')
  await second.page.getByText('密钥在此').waitFor()
  await second.page.getByText('须在该设备上退出').waitFor()
  assert.equal(await second.page.getByRole('button', { name: /^退出 / }).count(), 1, 'the phone with the keys can be signed out from elsewhere')

  await page.goto('/settings/devices')
  await button(/^退出 /).nth(1).waitFor()
  await proper(phone, 'devices')
  await phone.shot('10-devices')
  await button('退出其他所有设备').click()
  await dialog().getByText('将退出其余 2 台设备').waitFor()
  await phone.accessible('asked')
  await dialog().getByRole('button', { name: '取消' }).click()
  await button('退出其他所有设备').click()
  await dialog().getByRole('button', { name: '退出', exact: true }).click()
  await page.getByText('已退出 2 处登录').waitFor()
  await until(async () => (await button(/^退出 /).count()) === 0, 'the others to be gone from the list')
  for (const v of [second, third]) {
    await v.page.goto('/certificates')
    await dialog(v.page).getByText('请重新登录').waitFor()
    await v.accessible('login over a page')
  }
  await dialog(third.page).getByRole('button', { name: '暂不登录' }).click()
  await third.page.waitForURL(/\/login\?to=/)
})

test('a session ended from another device in the middle of a form loses nothing', async () => {
  await byPassword(dialog(second.page))
  await second.page.getByText('已重新登录').waitFor()
  await second.page.goto('/wish?name=')
  const fields = { 平台名称: '样例省公共资源交易网', '网址（选填）': 'www.example.cn', '补充说明（选填）': '11 月 30 日开标' }
  for (const [label, text] of Object.entries(fields)) await second.page.getByLabel(label).fill(text)

  await page.goto('/settings/devices')
  await button(/^退出 /).click()
  await dialog().getByRole('button', { name: '退出', exact: true }).click()
  await page.getByText('已退出该设备').waitFor()

  await second.page.getByRole('button', { name: '提交' }).click()
  await dialog(second.page).getByText('已填写的内容不会丢失').waitFor()
  await second.shot('10-login-again')
  for (const [label, text] of Object.entries(fields)) assert.equal(await second.page.getByLabel(label).inputValue(), text)
  assert.equal(await dialog(second.page).getByRole('checkbox').isChecked(), false, 'consent was given beforehand')
  await byPassword(dialog(second.page))
  // The same form goes its way with the new session; nothing is pressed again.
  await second.page.getByText('已提交').waitFor()
})

test('a session that has outlived its 14 days ends the same way', async () => {
  await page.goto('/realname')
  await button('重新认证').click()
  await page.getByLabel('姓名').fill('测试己')
  await page.getByLabel('身份证号').fill(who.idNumber)
  await world.advance({ days: 15 })
  await button('获取验证码').click()
  await dialog().getByText('请重新登录').waitFor()
  await byPassword(dialog())
  await page.getByText('已重新登录').waitFor()
  await page.getByText('验证码已发送').waitFor()
  await world.lastCode(who.phone)
  assert.equal(await page.getByLabel('姓名').inputValue(), '测试己')
  assert.equal((await page.getByLabel('身份证号').inputValue()).replaceAll(' ', ''), who.idNumber)
})

test('退出登录 leaves the keys on the phone', async () => {
  await page.goto('/settings')
  await button('退出登录').click()
  await dialog().getByText('证书密钥仍保存在本机').waitFor()
  await phone.accessible('asked')
  await dialog().getByRole('button', { name: '取消' }).click()
  assert.equal(new URL(page.url()).pathname, '/settings')
  await person.signOut(phone)
  await page.goto('/certificates')
  await page.waitForURL(/\/login\?to=/)
  assert.equal((await page.request.get('/app/v1/me')).status(), 401)
  await page.getByLabel('手机号').fill(who.phone)
  await byPassword(page)
  await page.waitForURL(/\/certificates$/)
  await page.getByText('有效').first().waitFor()
  assert.equal(await page.getByText('密钥丢失').count(), 0)
})

test('注销账号 is refused while a certificate is valid, and says where that ends', async () => {
  await page.goto('/settings/close')
  await page.getByText('暂时不能注销').waitFor()
  const way = link(/1 张未到期的证书，请先吊销/)
  await way.waitFor()
  assert.equal(await button('注销账号').count(), 0)
  await proper(phone, 'closing is blocked')
  await phone.shot('10-close-blocked')
  await way.click()
  await page.waitForURL(/\/certificates$/)
})

test('注销账号 closes an account without one; its number registers anew', async () => {
  const newcomer = await world.phone()
  const on = newcomer.page
  const them = person.somebody({ name: '测试庚' })
  await person.signIn(world, newcomer, them)
  await on.goto('/settings/close')
  await on.getByText('注销后会失去').waitFor()
  await on.getByText('证书失效后至少五年').waitFor()
  await proper(newcomer, 'closing')
  await newcomer.shot('10-close')
  await button('注销账号', on).click()
  await says('请先获取验证码', on)
  await button('获取验证码', on).click()
  const digits = await world.lastCode(them.phone)
  await on.getByLabel(/短信验证码/).fill(digits)
  await button('注销账号', on).click()
  await says('请先勾选', on)
  await on.getByRole('checkbox').check()
  await on.getByLabel(/短信验证码/).fill(digits === '000000' ? '000001' : '000000')
  await button('注销账号', on).click()
  await says('验证码不正确', on)
  await on.getByLabel(/短信验证码/).fill(digits)
  await button('注销账号', on).click()
  await on.getByText('账号已注销').waitFor()
  await proper(newcomer, 'closed')
  await newcomer.shot('10-closed')
  await world.lastMessage(them.phone, (m) => m.template === 'account.closed')
  assert.equal((await on.request.get('/app/v1/me')).status(), 401)
  await button('完成', on).click()
  await on.waitForURL(/\/login/)
  await world.advance({ minutes: 2 })
  await person.signIn(world, newcomer, them)
  await on.getByText('三步开通手机证书').waitFor()
})
