// Scanning and logging in (2.8.a, 2.8.1), and what the records say of it (2.9.a).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, open, until } from './world.mjs'
import * as person from './person.mjs'
import { key, noWorker, openLogin, phase, proper, properDesk, readCode } from './screens.mjs'

const PLATFORM = 'D1100009001'
const FOREIGN = '这不是互认平台的二维码，请核对网址'
const EXPIRED = '二维码已过期，请扫描电脑上的新码'
let world, phone, page, desk, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  desk = await world.desktop()
  who = person.somebody({ name: '测试丁' })
  await person.enrol(world, phone, who, PLATFORM)
})
after(() => world.close())

const code = () => desk.page.locator('#code')
const confirm = () => page.getByRole('button', { name: '确认登录' })
const digits = async () => (await desk.page.locator('#digits').filter({ hasText: /^\s*\d{4}\s*$/ }).innerText()).trim()

test('2.8.a a foreign code is refused in words, and scanning goes on', async () => {
  await properDesk(await frontDoor(), 'front page')
  await person.askLogin(desk)
  await properDesk(desk, 'code')
  await desk.shot('08-platform-code')
  const other = await world.desktop({ base: app })
  await other.page.goto('/get')
  const foreign = other.page.getByRole('img', { name: '安装天威通的二维码' })
  await foreign.waitFor()
  await world.camera.show(other.page, foreign)
  await page.goto('/scan')
  await page.getByText(FOREIGN).waitFor()
  assert.equal(await page.locator('video').evaluate((v) => v.paused), false)
  await proper(phone, 'foreign code')
  await phone.shot('08-scan-foreign')
  await person.askLogin(desk)
  await world.present(desk)
  // The fake camera may lose its film as that changes; then it is opened again.
  const again = page.getByRole('button', { name: '重试' })
  await again.or(page.getByRole('heading', { name: '登录确认', level: 1 })).waitFor({ timeout: 20_000 })
  if (await again.isVisible()) await again.click()
  await page.waitForURL(/\/scan\/[^/]+$/, { timeout: 20_000 })
  await page.getByRole('heading', { name: '登录确认', level: 1 }).waitFor()
  await desk.page.locator('#digits').waitFor()
  await properDesk(desk, 'scanned')
  await desk.shot('08-platform-digits')
  await proper(phone, 'confirmation')
  await page.getByRole('button', { name: '取消', exact: true }).click()
  await page.getByText('已取消登录').waitFor()
})

async function frontDoor() {
  await desk.page.goto('/')
  return desk
}

test('2.8.a help is offered, and a code comes by a picture or a pasted link; a dead one is told', async () => {
  world.camera.nothing()
  await page.goto('/scan')
  await page.getByText('对准电脑屏幕上的互认二维码').waitFor()
  await proper(phone, 'camera')
  await page.getByRole('button', { name: '扫不出？' }).click()
  await page.getByText('二维码每 10 秒更换一次').waitFor()
  await proper(phone, 'help')
  await page.getByRole('button', { name: '继续扫码' }).click()
  await page.getByRole('button', { name: '粘贴链接' }).click()
  await page.getByRole('button', { name: '确定' }).click()
  await page.getByText('请粘贴二维码的链接').waitFor()
  await page.getByLabel('二维码链接').fill('https://example.com/s?k=1')
  await page.getByRole('button', { name: '确定' }).click()
  await page.getByRole('dialog').getByText(FOREIGN).waitFor()
  await proper(phone, 'foreign link')

  await person.askLogin(desk)
  const old = await readCode(desk)
  const picture = await code().screenshot()
  await world.advance({ seconds: 20 })
  await page.getByLabel('二维码链接').fill(old)
  await page.getByRole('button', { name: '确定' }).click()
  await page.getByRole('dialog').getByText(EXPIRED).waitFor()
  await proper(phone, 'dead link')
  await phone.shot('08-scan-expired')
  await page.getByRole('dialog').getByRole('button', { name: '关闭', exact: true }).last().click()

  const album = page.locator('input[type=file]')
  await album.setInputFiles({ name: 'note.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await page.getByText('无法打开这张图片，请换一张').waitFor()
  await album.setInputFiles({ name: 'page.png', mimeType: 'image/png', buffer: await page.screenshot() })
  await page.getByText('图片中没有找到二维码').waitFor()
  await album.setInputFiles({ name: 'old.png', mimeType: 'image/png', buffer: picture })
  await page.getByText(EXPIRED).waitFor()
  await person.askLogin(desk)
  for (let i = 0; i < 4 && !/\/scan\/[^/]+$/.test(page.url()); i++) {
    await until(() => code().evaluate((img) => img.complete && img.naturalWidth > 0), 'a new code')
    await album.setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: await code().screenshot() })
    await page.waitForURL(/\/scan\/[^/]+$/, { timeout: 8000 }).catch(() => undefined) // it may have died on the way
  }
  assert.match(page.url(), /\/scan\/[^/]+$/)
})

test('2.8.a a camera that is denied is explained, and can be tried again', async () => {
  const tab = await phone.context.newPage()
  await tab.addInitScript(() => {
    const real = MediaDevices.prototype.getUserMedia
    globalThis.denied = true
    MediaDevices.prototype.getUserMedia = function (wanted) {
      return globalThis.denied ? Promise.reject(new DOMException('denied', 'NotAllowedError')) : real.call(this, wanted)
    }
  })
  const before = phone.page
  phone.page = tab
  try {
    await tab.goto('/scan')
    await tab.getByText('没有相机权限').waitFor()
    await proper(phone, 'denied camera')
    await phone.shot('08-scan-denied')
    await tab.evaluate(() => (globalThis.denied = false))
    await tab.getByRole('button', { name: '重试' }).click()
    await tab.getByText('对准电脑屏幕上的互认二维码').waitFor()
  } finally {
    phone.page = before
    await tab.close()
  }
})

test("2.8.a the system's camera lands at the login first, then at the scan; the token leaves the address", async () => {
  await world.advance({ minutes: 2 }) // before the next login code to this number
  await page.goto('/settings')
  await page.getByRole('button', { name: '退出登录' }).click()
  await page.getByRole('dialog').getByRole('button', { name: /退出/ }).click()
  await page.waitForURL(/\/login/)
  const sign = async () => {
    await page.waitForURL(/\/login/)
    assert.ok(!page.url().includes('k='), page.url())
    await page.getByLabel('手机号').fill(who.phone)
    await page.getByRole('checkbox').first().check()
    await page.getByRole('button', { name: '获取验证码' }).click()
    await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
    await page.getByRole('button', { name: '登录', exact: true }).click()
    await page.getByRole('heading', { level: 1 }).filter({ hasText: /登录确认|扫码/ }).waitFor()
    await page.getByRole('heading', { name: '登录确认' }).or(page.getByText(EXPIRED)).first().waitFor()
    assert.ok(!page.url().includes('k='), page.url())
  }
  const tokens = () => page.evaluate(() => location.href + JSON.stringify(history.state))
  await person.askLogin(desk)
  const link = await readCode(desk)
  await page.goto(link)
  await sign()
  assert.ok(!(await tokens()).includes(/#k=(.+)$/.exec(link)[1]), 'the token stands in the history')
  // Who was slower than 15 s is told to scan the new one; logged in, that opens at once.
  for (let i = 0; i < 4 && !/\/scan\/[^/]+$/.test(page.url()); i++) {
    await proper(phone, 'too late')
    await openWith(phone, await readCode(desk))
    await page.getByRole('heading', { name: '登录确认' }).or(page.getByText(EXPIRED)).first().waitFor()
  }
  assert.match(page.url(), /\/scan\/[^/]+$/)
})

test('2.8.1 a wrong code ends the login on both sides, which say so', async () => {
  await openLogin(world, phone, desk)
  const right = await digits()
  await page.getByRole('textbox', { name: /四位数字/ }).fill(right === '0000' ? '0001' : '0000')
  await confirm().click()
  await page.getByText('登录未完成').waitFor()
  await page.getByText('验证数字不一致').waitFor()
  await phase(desk, 'failed')
  await properDesk(desk, 'failed')
  await proper(phone, 'wrong code')
  await phone.shot('08-login-wrong-digits')
  await desk.shot('08-platform-failed')
})

test('2.8.1 it is cancelled on the phone, on the page, or by time; the other side shows it', async () => {
  await openLogin(world, phone, desk)
  await page.getByRole('button', { name: '取消', exact: true }).click()
  await page.getByText('已取消登录').waitFor()
  await phase(desk, 'cancelled')
  await properDesk(desk, 'cancelled')
  await proper(phone, 'cancelled')

  await openLogin(world, phone, desk)
  await desk.page.getByRole('button', { name: '重新获取二维码' }).click()
  await page.getByText('交易平台取消了本次登录').waitFor()
  await proper(phone, 'cancelled by the platform')
  await phone.shot('08-login-cancelled')

  await openLogin(world, phone, desk)
  await world.advance({ seconds: 121 })
  await page.getByText('本次登录已超时').waitFor()
  await phase(desk, 'expired')
  await properDesk(desk, 'expired')
  await proper(phone, 'expired')
  await phone.shot('08-login-expired')
})

test('2.8.1 a second phone cannot take what one has scanned', async () => {
  const thief = await world.phone()
  await world.advance({ minutes: 2 }) // before the next login code to this number
  await person.signIn(world, thief, who)
  await thief.page.goto('/scan')
  await thief.page.getByRole('button', { name: '粘贴链接' }).click()
  world.camera.nothing()
  await person.askLogin(desk)
  // Both read the same code; it lives 15 s, so it is tried again if it died on the way.
  for (;;) {
    const link = await readCode(desk)
    await openWith(phone, link)
    await thief.page.getByLabel('二维码链接').fill(link)
    await thief.page.getByRole('dialog').getByRole('button', { name: '确定' }).click()
    const told = thief.page.getByRole('dialog').getByRole('alert')
    await told.waitFor()
    if (/已被其他手机扫描/.test(await told.innerText())) break
    assert.match(await told.innerText(), /已过期/)
    await person.askLogin(desk)
  }
  await proper(thief, 'taken')
  await thief.page.goto(page.url().replace(/^.*\/scan\//, `${app}/scan/`))
  await thief.page.getByText('没有打开扫码业务').waitFor()
  await proper(thief, "another phone's scan")
})

/** Opens a link on a phone as its system's camera does. */
async function openWith(visitor, link) {
  await visitor.page.goto('about:blank') // a mere fragment loads nothing
  await visitor.page.goto(link)
  await visitor.page.getByRole('heading', { level: 1 }).filter({ hasText: /确认|扫码/ }).waitFor()
}

test('2.8.1 a reload between confirmation and PIN loses nothing; a wrong PIN, then the right one', async () => {
  await openLogin(world, phone, desk)
  const scan = new URL(page.url()).pathname
  await page.getByRole('textbox', { name: /四位数字/ }).fill(await digits())
  await phone.shot('08-login-confirm')
  await confirm().click()
  await page.getByRole('group', { name: /数字键盘/ }).waitFor()
  await phone.shot('08-pin')
  await proper(phone, 'PIN sheet')
  await page.goto('/')
  await page.getByText('您有一笔未完成的扫码登录').first().waitFor()
  await proper(phone, 'home with a scan')
  await page.getByRole('link', { name: /继续|未完成的扫码登录/ }).first().click()
  await page.waitForURL((u) => u.pathname === scan)
  await page.getByText('验证数字已核对一致').waitFor()
  await page.reload()
  await page.getByText('验证数字已核对一致').waitFor()
  await confirm().click()
  await key(page, '381111')
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: 'PIN 码错误，还可尝试 4 次' }).waitFor({ timeout: 30_000 })
  await key(page, who.pin)
  await page.getByText('登录成功').waitFor({ timeout: 30_000 })
  await noWorker(page)
  await desk.page.getByRole('heading', { name: '投标函', level: 1 }).waitFor({ timeout: 20_000 })
  await proper(phone, 'logged in')
  await phone.shot('08-login-done')
  await properDesk(desk, 'bid')
  await desk.shot('08-platform-bid')
})

test('2.9.a the records list what went well and what did not, by day, searched and chosen', async () => {
  await page.goto('/usage')
  const rows = page.locator('main a[href^="/usage/"]')
  await rows.first().waitFor()
  await page.getByRole('heading', { name: /^今天/, level: 2 }).waitFor()
  const list = await rows.allInnerTexts()
  for (const chip of ['失败', '已取消', '已超时']) assert.ok(list.some((t) => t.includes(chip)), `${chip} is not among ${list.join(' | ')}`)
  assert.ok(list.some((t) => /登录/.test(t) && !/失败|已取消|已超时/.test(t)))
  await proper(phone, 'records')
  await phone.shot('09-usage')
  const search = page.getByRole('searchbox').or(page.getByLabel('搜索使用记录')).first()
  for (const [words, found] of [['招采', true], [who.name.slice(0, 2), true], ['没有的平台', false]]) {
    await search.fill(words)
    if (found) await rows.first().waitFor()
    else await page.getByText('没有符合条件的记录').waitFor()
  }
  await proper(phone, 'nothing found')
  await page.getByRole('button', { name: '清除条件' }).click()
  await page.getByRole('group', { name: '业务' }).or(page.getByRole('radiogroup', { name: '业务' })).getByText('签名').click()
  await page.getByText('没有符合条件的记录').waitFor()
  await page.getByRole('group', { name: '业务' }).or(page.getByRole('radiogroup', { name: '业务' })).getByText('登录').click()
  await rows.filter({ hasText: '失败' }).first().click()
  await page.getByRole('heading', { name: '登录失败' }).waitFor()
  await page.getByText('验证数字不一致').waitFor()
  await proper(phone, 'a failure')
  await phone.shot('09-usage-failed')
  await page.goBack()
  await page.getByRole('button', { name: /^筛选/ }).click()
  await page.getByRole('dialog').getByText('成功', { exact: true }).click()
  await proper(phone, 'filters')
  await page.getByRole('button', { name: '完成' }).click()
  await until(async () => (await rows.count()) > 0 && !(await rows.allInnerTexts()).some((t) => /失败|已取消|已超时/.test(t)), 'only what went well')
  await rows.first().click()
  await page.getByRole('heading', { name: '登录成功' }).waitFor()
  await page.getByText('+08:00').waitFor()
  await page.getByText('登录数据摘要（SM3）').waitFor()
  await proper(phone, 'receipt')
  await phone.shot('09-usage-receipt')
})
