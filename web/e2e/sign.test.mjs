// Signing by scanning (2.8.2), its record (2.9.a), and what must not break it:
// two tabs that use the keys at once, a new version of the app.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, until } from './world.mjs'
import * as person from './person.mjs'
import { key, noWorker, openCode, openLogin, phase, proper, properDesk } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, desk, who, certificate
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  desk = await world.desktop()
  who = person.somebody({ name: '测试己' })
  certificate = await person.enrol(world, phone, who, PLATFORM)
  await login()
})
after(() => world.close())

/** Logs in at the platform. */
async function login() {
  await desk.page.goto('/')
  const out = desk.page.getByRole('button', { name: '退出' })
  if (await out.isVisible()) await out.click()
  await openLogin(world, phone, desk)
  await person.typeCode(phone, desk)
  await page.getByRole('button', { name: '确认登录' }).click()
  await key(page, who.pin)
  await page.getByText('登录成功').waitFor({ timeout: 30_000 })
  await desk.page.getByRole('heading', { name: '投标函', level: 1 }).waitFor({ timeout: 20_000 })
}

/** Asks for a signature at the platform and opens it on the phone. */
async function openSign() {
  await desk.page.goto('/bid')
  await desk.page.getByRole('button', { name: /扫码签名$/ }).click()
  await desk.page.getByRole('img', { name: /的二维码/ }).waitFor()
  await openCode(phone, desk)
  await page.waitForURL(/\/scan\/[^/]+$/)
  await page.getByRole('heading', { name: '签名确认', level: 1 }).waitFor()
}

test('2.8.2 the phone shows what is signed as the computer does; PIN, receipt, files', async () => {
  await openSign()
  await page.getByText('投标函.txt').first().waitFor()
  const shown = await desk.page.locator('.paperside dd.mono').innerText()
  assert.match(shown, /^[0-9A-F]{4} [0-9A-F]{4} … [0-9A-F]{4} [0-9A-F]{4}$/)
  const head = await page.locator('.digest .mono [aria-hidden]').innerText()
  assert.equal(head, shown, 'the digests do not look alike')
  await proper(phone, 'signature')
  await phone.shot('08-sign-confirm')
  await properDesk(desk, 'signature')
  await desk.shot('08-platform-sign')
  await page.getByRole('button', { name: '确认签名' }).click()
  await key(page, '381111')
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: '还可尝试 4 次' }).waitFor({ timeout: 30_000 })
  await key(page, who.pin)
  await page.getByText('签名成功').waitFor({ timeout: 30_000 })
  await noWorker(page)
  await proper(phone, 'signed')
  await phone.shot('08-sign-done')
  await desk.page.getByRole('heading', { name: '签名完成', level: 1 }).waitFor({ timeout: 20_000 })
  const whole = await desk.page.locator('dd.mono').first().innerText()
  assert.ok(whole.startsWith(shown.slice(0, 9)) && whole.endsWith(shown.slice(-9)), whole)
  for (const words of ['签名有效', '内容未改动', '证书可信', '时间可信', '身份一致']) await desk.page.getByText(words).waitFor()
  await properDesk(desk, 'receipt')
  await desk.shot('08-platform-receipt', { full: true })
  const file = await desk.page.request.get(new URL('/receipt/document', desk.page.url()).href)
  assert.match(await file.text(), new RegExp(`投标人：${who.name}`))
})

test('2.8.2 a signature is refused on the phone, and the platform says so', async () => {
  await openSign()
  await page.getByRole('button', { name: '取消', exact: true }).click()
  await page.getByText('已取消签名').waitFor()
  await page.getByText('平台没有收到签名，文件没有变化').waitFor()
  await phase(desk, 'cancelled')
  await proper(phone, 'refused')
})

test('2.9.a the record of a signature is its receipt; a certificate lists its own', async () => {
  await page.goto(`/usage?certificate=${certificate}`)
  await page.getByText('只看所选证书的记录').waitFor()
  await page.locator('main a[href^="/usage/"]').filter({ hasText: '签名' }).filter({ hasNotText: /失败|已取消/ }).first().click()
  await page.getByRole('heading', { name: '签名成功' }).waitFor()
  await page.getByText('签署投标函').waitFor()
  await page.getByText('签署内容摘要（SM3）').waitFor()
  await proper(phone, 'receipt')
  await phone.shot('09-usage-signature')
  await page.getByRole('link', { name: '查看证书' }).click()
  await page.waitForURL(new RegExp(`/certificates/${certificate}`))
})

test('2.8.1 two tabs: a change of the PIN in one and a signature in the other never break the keys', async () => {
  const tab = await phone.context.newPage()
  const fresh = '605813'
  await tab.goto('/pin/change')
  await tab.getByRole('button', { name: '开始修改' }).click()
  await openSign()
  await page.getByRole('button', { name: '确认签名' }).click()
  await page.getByRole('group', { name: /数字键盘/ }).waitFor()
  await person.enter(tab, [['输入原 PIN 码', who.pin], ...person.twice(fresh, fresh.slice(0, 5))], key)
  await key(page, who.pin.slice(0, 5))
  await Promise.all([tab.keyboard.press(fresh[5]), page.keyboard.press(who.pin[5])])
  await tab.getByText('PIN 码已修改').waitFor({ timeout: 60_000 })
  // Whichever came first: the signature is there, or asks for the new PIN.
  const done = page.getByText('签名成功')
  await done.or(page.getByRole('alert').filter({ hasText: 'PIN 码错误' })).or(page.getByRole('button', { name: '重试' })).first().waitFor({ timeout: 30_000 })
  if (!(await done.isVisible())) {
    if (await page.getByRole('button', { name: '重试' }).isVisible()) await page.getByRole('button', { name: '重试' }).click()
    await key(page, fresh)
    await done.waitFor({ timeout: 30_000 })
  }
  who.pin = fresh
  await tab.close()
  await login()
})

test('2.8.1 a new version of the app waits until an operation is over, and never reloads by itself', async () => {
  const visitor = await world.phone({ serviceWorkers: 'allow', bypassCSP: true }) // the policy would not let the journey register a worker
  const tab = visitor.page
  const other = person.somebody({ name: '测试庚' })
  await person.signIn(world, visitor, other)
  await until(() => tab.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated'), 'a service worker', { timeout: 30_000 })
  await tab.reload()
  await until(() => tab.evaluate(() => navigator.serviceWorker.controller !== null), 'its control')
  await tab.goto('/realname')
  await person.fillPerson(world, visitor, other)
  let release
  const held = new Promise((resolve) => (release = resolve))
  let reached
  const sending = new Promise((resolve) => (reached = resolve))
  await visitor.context.route(/\/realname\/[^/]+\/face/, async (route) => {
    reached()
    await held
    await route.continue()
  })
  await tab.getByRole('button', { name: '下一步' }).click()
  await person.giveVideo(tab)
  await sending
  const loads = []
  tab.on('framenavigated', (f) => f === tab.mainFrame() && loads.push(f.url()))
  // The same worker under another name is a newer version to the browser.
  await tab.evaluate(async () => void (await navigator.serviceWorker.register('/sw.js?newer')))
  await until(() => tab.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.waiting?.scriptURL.endsWith('newer')), 'a version that waits', { timeout: 30_000 })
  assert.equal(await tab.getByText('新版本已就绪').count(), 0, 'a new version is offered in the middle')
  release()
  await tab.getByText('认证成功').waitFor({ timeout: 40_000 })
  await tab.getByText('新版本已就绪').waitFor()
  assert.deepEqual(loads, [])
  await Promise.all([tab.waitForEvent('framenavigated'), tab.getByRole('button', { name: '立即更新' }).click()])
  await tab.getByRole('heading', { name: '个人实名', level: 1 }).waitFor()
})
