// A person's steps on the phone, as several journeys take them. Names, numbers
// and ID numbers are made up: region 999999 does not exist.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'

/** Somebody who does not exist yet, with an ID number whose check digit holds (GB 11643). */
export function somebody({ name = '测试甲', pin = '271942' } = {}) {
  const body = `999999${1960 + randomInt(40)}0${1 + randomInt(9)}1${randomInt(10)}${String(randomInt(1000)).padStart(3, '0')}`
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
  const sum = weights.reduce((n, w, i) => n + w * Number(body[i]), 0)
  return { name, pin, phone: `199${String(randomInt(100_000_000)).padStart(8, '0')}`, idNumber: body + '10X98765432'[sum % 11] }
}

/** Signs in with an SMS code; the first time registers. */
export async function signIn(world, visitor, who) {
  const { page } = visitor
  if (!/\/login/.test(page.url())) await page.goto('/login')
  await page.getByLabel('手机号').fill(who.phone)
  await page.getByRole('button', { name: '获取验证码' }).click()
  const code = await world.lastCode(who.phone)
  await page.getByLabel('短信验证码').fill(code)
  await page.getByRole('checkbox').first().check()
  await page.getByRole('button', { name: '登录', exact: true }).click()
  await page.getByRole('navigation', { name: '主导航' }).waitFor()
}

/** 退出登录 from the settings. */
export async function signOut({ page }) {
  await page.goto('/settings')
  await page.getByRole('button', { name: '退出登录' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '退出登录' }).click()
  await page.waitForURL(/\/login/)
}

/** 个人实名 by the phone's three factors and a video file; with live by the camera, which takes 8 s. */
export async function verify(world, visitor, who, { live = false } = {}) {
  const { page } = visitor
  await page.goto('/realname')
  await fillPerson(world, visitor, who)
  if (live) await world.camera.face(page) // before it opens: it shows what was there then
  await page.getByRole('button', { name: '下一步' }).click()
  if (live) await showFace(world, visitor)
  else await giveVideo(page)
  await page.getByText('认证成功').waitFor({ timeout: 30_000 })
}

/** The form of 个人实名, up to its button. */
export async function fillPerson(world, visitor, who) {
  const { page } = visitor
  await page.getByLabel('姓名').fill(who.name)
  await page.getByLabel('身份证号').fill(who.idNumber)
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  for (const box of await page.getByRole('checkbox').all()) await box.check()
}

/** Hands a file over instead of a recording, as only a sandbox allows; what is in it nobody looks at. */
export async function giveVideo(page) {
  const buffer = Buffer.concat([Buffer.from('\0\0\0\x10ftypisom', 'latin1'), Buffer.alloc(4096)])
  await page.getByLabel('上传视频').setInputFiles({ name: 'face.mp4', mimeType: 'video/mp4', buffer })
}

/** Lets the camera see the drawn face and starts it, if it waits for that. */
export async function showFace(world, visitor) {
  const { page } = visitor
  await world.camera.face(page)
  const start = page.getByRole('button', { name: /开始|打开摄像头|重新录制/ })
  await start.or(page.locator('video')).first().waitFor()
  if (await start.first().isVisible()) await start.first().click()
}

/** Types digits on the PIN pad, wherever they stand this time. */
export async function type(page, digits) {
  const pad = page.getByRole('group', { name: /数字键盘/ })
  await pad.waitFor()
  for (const d of digits) await pad.getByRole('button', { name: d, exact: true }).click()
}

/**
 * Answers the sheet's entries one after the other, each [heading, digits]: an
 * entry is waited for by its heading, since the keys change places with it.
 */
export async function enter(page, entries, how = type) {
  for (const [heading, digits] of entries) {
    await page.getByRole('dialog').getByRole('heading', { name: heading }).waitFor()
    await how(page, digits)
  }
}

/** The entries of a new PIN. */
export const twice = (pin, again = pin) => [[/^设置 6 位/, pin], [/^再次输入/, again]]

/** Sets the first PIN. */
export async function setPIN(world, visitor, who) {
  const { page } = visitor
  await page.goto('/pin/set')
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  await page.getByRole('button', { name: '下一步' }).click()
  await enter(page, twice(who.pin))
  await page.getByText('PIN 码已设置').waitFor({ timeout: 30_000 })
}

/** Buys a certificate for the demo platform and pays at the sandbox's counter. */
export async function buy(world, visitor, platform) {
  const { page } = visitor
  await page.goto(`/buy/${platform}`)
  await page.getByRole('button', { name: '提交订单' }).click()
  await page.waitForURL(/\/orders\//)
  const order = page.url()
  await page.getByRole('button', { name: '去支付' }).click()
  await page.waitForURL(/\/sandbox\/pay\//)
  await page.getByRole('button', { name: /^(确认)?支付/ }).first().click()
  await page.goto(order)
  await page.getByText('支付成功').waitFor({ timeout: 20_000 })
  return order
}

/** Installs the certificate that was just paid, from the order's page. */
export async function install(visitor, who) {
  const { page } = visitor
  await page.getByRole('link', { name: '立即安装' }).or(page.getByRole('button', { name: '立即安装' })).click()
  await page.waitForURL(/\/install$/)
  await page.getByRole('button', { name: /安装/ }).last().click()
  await type(page, who.pin)
  await page.getByText('安装成功').waitFor({ timeout: 40_000 })
}

/** From nothing to an installed certificate; returns the id of its record. */
export async function enrol(world, visitor, who, platform) {
  await signIn(world, visitor, who)
  await verify(world, visitor, who)
  await setPIN(world, visitor, who)
  await buy(world, visitor, platform)
  await install(visitor, who)
  const id = /certificates\/([^/]+)\/install/.exec(visitor.page.url())?.[1]
  assert.ok(id, visitor.page.url())
  return id
}

/** Opens a scan on the demo platform's page: kind is login or sign. Leaves its QR showing. */
export async function askLogin(desk) {
  await desk.page.goto('/')
  await desk.page.getByRole('button', { name: '获取登录二维码' }).click()
  await desk.page.getByRole('img', { name: /的二维码/ }).waitFor()
}

/** Holds the QR of the platform's page before the phone's camera; a code that died on the way is replaced by the next. */
export async function scan(world, visitor, desk) {
  const { page } = visitor
  for (let left = 4; ; left--) {
    await world.present(desk)
    await page.goto('/scan')
    const opened = page.waitForURL(/\/scan\/[^/]+/, { timeout: 20_000 })
    const dead = page.getByText('二维码已过期').waitFor({ timeout: 20_000 }).then(() => true, () => false)
    if (!(await Promise.race([opened.then(() => false), dead])) || !left) return opened
    opened.catch(() => undefined)
  }
}

/** Types the four digits of the platform's page on the phone. */
export async function typeCode(visitor, desk) {
  const code = (await desk.page.locator('#digits').filter({ hasText: /^\s*\d{4}\s*$/ }).innerText()).trim()
  const boxes = visitor.page.getByRole('group', { name: /四位数字/ }).or(visitor.page.getByLabel(/四位数字/)).first()
  await boxes.waitFor()
  await boxes.click()
  await visitor.page.keyboard.type(code)
}
