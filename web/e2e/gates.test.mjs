// What stands between a scan and its confirmation (2.8.b): each told with its way out.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, otherPlatform } from './world.mjs'
import * as person from './person.mjs'
import { key, openCode, openLogin, phase, proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, desk, other, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  desk = await world.desktop()
  other = await world.desktop({ base: otherPlatform })
  who = person.somebody({ name: '测试戊' })
  await person.signIn(world, phone, who)
})
after(() => world.close())

/** The card that says what is missing. */
const gate = (title) => page.getByRole('heading', { name: title, level: 2 })

test('2.8.b who is not real-named is led there before anything is scanned', async () => {
  await person.askLogin(desk)
  await openCode(phone, desk)
  await page.getByRole('heading', { name: '请先完成个人实名' }).waitFor()
  await phase(desk, 'waiting')
  await proper(phone, 'not real-named')
  await phone.shot('08-scan-not-verified')
  await page.getByRole('link', { name: '立即认证' }).or(page.getByRole('button', { name: '立即认证' })).last().click()
  await page.waitForURL(/\/realname/)
  await person.verify(world, phone, who)
})

test('2.8.b without a certificate: identity, platform, what to do, 新购证书', async () => {
  await openLogin(world, phone, desk)
  await gate('没有可用的证书').waitFor()
  const card = page.getByRole('status').filter({ has: gate('没有可用的证书') })
  await card.getByText(`${who.name} · 个人`).waitFor()
  await card.getByText('样例招采平台', { exact: true }).waitFor()
  await card.getByText('新购证书约 3 分钟').waitFor()
  assert.equal(await page.getByRole('button', { name: /^确认登录/ }).count(), 0)
  await proper(phone, 'no certificate')
  await phone.shot('08-scan-no-certificate')
  await page.getByRole('link', { name: '新购证书' }).click()
  await page.waitForURL(new RegExp(`/buy/${PLATFORM}`))
})

test('2.8.b a certificate that is paid and not installed is installed, and the same login goes on', async () => {
  await person.setPIN(world, phone, who)
  await person.buy(world, phone, PLATFORM)
  await openLogin(world, phone, desk)
  const scan = new URL(page.url()).pathname
  await gate('证书还没有安装').waitFor()
  await proper(phone, 'not installed')
  await phone.shot('08-scan-not-installed')
  await page.getByRole('link', { name: '安装证书' }).click()
  await page.waitForURL(/\/install/)
  await page.getByRole('button', { name: /安装/ }).last().click()
  await key(page, who.pin)
  await page.getByText('安装成功').waitFor({ timeout: 40_000 })
  await page.getByRole('link', { name: '继续', exact: true }).click()
  await page.waitForURL((u) => u.pathname === scan)
  await person.typeCode(phone, desk)
  await page.getByRole('button', { name: '确认登录' }).click()
  await key(page, who.pin)
  await page.getByText('登录成功').waitFor({ timeout: 30_000 })
})

test('2.8.b another platform that the certificate does not serve is told', async () => {
  await openLogin(world, phone, other)
  await gate('证书不能用于该平台').waitFor()
  await page.getByText('您的证书没有开通“样例交易中心”').waitFor()
  await proper(phone, 'not roamed')
  await phone.shot('08-scan-not-roamed')
  await page.getByRole('link', { name: '新购证书' }).click()
  await page.waitForURL(/\/buy\/D1100009002/)
})

test('2.8.b when the year is over the certificate is told to be over', async () => {
  await world.advance({ days: 366 })
  await page.goto('/')
  await page.getByRole('button', { name: '暂不登录' }).click() // the session is over too
  await page.waitForURL(/\/login/)
  await person.signIn(world, phone, who)
  await openLogin(world, phone, desk)
  await gate(/已过期|已到期/).waitFor()
  await page.getByRole('link', { name: '新购证书' }).waitFor()
  await proper(phone, 'expired')
  await phone.shot('08-scan-expired-certificate')
})
