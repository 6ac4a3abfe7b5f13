// Rows 2.2 and 2.4 of people: the slide captcha before SMS codes, notices with their
// groups and switches, and a phone number changed by live face.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试己' })
  await person.signIn(world, phone, who)
})
after(() => world.close())

const link = (name) => page.getByRole('link', { name })
const button = (name) => page.getByRole('button', { name })

test('2.2 the second code is had for a captcha, by mouse and by keyboard', async () => {
  const hand = await world.phone({ slides: false })
  const on = hand.page
  await on.goto('/login')
  await on.getByLabel('手机号').fill(who.phone)
  const captcha = () => on.waitForResponse((r) => new URL(r.url()).pathname === '/app/v1/captcha' && r.ok())
  await world.advance({ minutes: 2 })
  const [first] = await Promise.all([captcha(), on.getByRole('button', { name: '获取验证码' }).click()])
  const dialog = on.getByRole('dialog', { name: '安全验证' })
  const slider = dialog.getByRole('slider', { name: '向右拖动滑块完成拼图' })
  await dialog.locator('[role=slider][aria-disabled=false]').waitFor()
  await proper(hand, 'captcha')
  await hand.shot('02-captcha')
  await hand.dark(() => hand.shot('02-captcha-dark'))

  // Let go beside the hole: a sentence and another picture.
  const { width, tileWidth } = await first.json()
  const { x } = await fetchSolution((await first.json()).id)
  const wrong = x > 150 ? x - 60 : x + 60
  const slide = async (to) => {
    const box = await slider.boundingBox()
    const track = await dialog.locator('.track').boundingBox()
    const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2]
    await on.mouse.move(cx, cy)
    await on.mouse.down()
    await on.mouse.move(cx + ((track.width - box.width) * to) / (width - tileWidth), cy, { steps: 8 })
    await on.mouse.up()
  }
  const [second] = await Promise.all([captcha(), slide(wrong)])
  await dialog.getByText('滑块未对准缺口或已过期').waitFor()
  await dialog.locator('[role=slider][aria-disabled=false]').waitFor()
  await proper(hand, 'captcha that was wrong')
  await hand.shot('02-captcha-wrong')
  const right = await fetchSolution((await second.json()).id)
  await slide(right.x)
  await dialog.waitFor({ state: 'hidden' })
  await until(async () => (await on.getByRole('button', { name: /后重新获取/ }).count()) > 0, 'a code on its way')
  assert.match(await world.lastCode(who.phone), /^\d{6}$/)

  // The same by arrow keys, for another number.
  await on.reload()
  const other = person.somebody()
  await on.getByLabel('手机号').fill(other.phone)
  const [third] = await Promise.all([captcha(), on.getByRole('button', { name: '获取验证码' }).click()])
  await hand.slide(third)
  assert.match(await world.lastCode(other.phone), /^\d{6}$/)
})

test('2.3 notices are filtered by group, read by group, and lead to what they are about', async () => {
  await person.verify(world, phone, who)
  await person.setPIN(world, phone, who)
  await person.buy(world, phone, PLATFORM)
  await page.goto('/todos?tab=notices')
  const row = (name) => page.getByRole('button', { name })
  await row('PIN 码已设置').waitFor()
  await row('支付成功').waitFor()
  await proper(phone, 'notices')
  await phone.shot('03-notices')
  await phone.dark(() => phone.shot('03-notices-dark'))
  await button(/^订单/).click()
  await row('PIN 码已设置').waitFor({ state: 'hidden' })
  await row('支付成功').waitFor()
  await button('全部已读').click()
  await page.getByText('“订单”类通知已全部标为已读').waitFor()
  await button(/^未读/).click()
  await row('支付成功').waitFor({ state: 'hidden' })
  await row('PIN 码已设置').waitFor()
  await button(/^企业/).click()
  await page.getByText('没有“企业”类通知').waitFor()
  await button(/^全部$/).click()
  await row('支付成功').click()
  await page.waitForURL(/\/(orders|certificates)\//)
})

test('2.3 the SMS of a group can be switched off, but not of the account’s safety', async () => {
  await page.goto('/settings')
  await link('通知设置').click()
  const orders = page.getByRole('switch', { name: '订单' })
  await orders.waitFor()
  await proper(phone, 'notice settings')
  await phone.shot('10-notice-settings')
  await phone.dark(() => phone.shot('10-notice-settings-dark'))
  await Promise.all([page.waitForResponse((r) => r.request().method() === 'PUT' && r.ok()), orders.uncheck({ force: true })])
  await page.reload()
  await orders.waitFor()
  assert.equal(await orders.isChecked(), false)
  assert.equal(await page.getByRole('switch', { name: '企业' }).isChecked(), true)
  assert.equal(await page.getByRole('switch', { name: '账号安全' }).count(), 0)
  await page.getByText('始终开启').waitFor()
})

test('2.4 a number out of reach is replaced by a live face, and both numbers are told', async () => {
  const next = person.somebody().phone
  await page.goto('/settings/phone')
  await link('改用人脸核验').click()
  await page.getByLabel('新手机号', { exact: true }).fill(next)
  await button('获取验证码').click()
  await page.getByLabel('新手机号的验证码').fill(await world.lastCode(next))
  await proper(phone, 'change of number by face')
  await phone.shot('10-phone-face')
  await phone.dark(() => phone.shot('10-phone-face-dark'))
  await world.camera.face(page)
  await button('下一步').click()
  await person.showFace(world, phone)
  await page.getByText('手机号已更换').first().waitFor({ timeout: 30_000 })
  await proper(phone, 'number changed')
  await phone.shot('10-phone-changed')
  await world.lastMessage(who.phone, (m) => m.template === 'phone.changed')
  await page.goto('/todos?tab=notices')
  await page.getByRole('button', { name: '登录手机号已更换' }).waitFor()
  await world.lastMessage(next, (m) => m.template === 'notice')
})

function fetchSolution(id) {
  return fetch(new URL(`/sandbox/captcha/${id}`, process.env.TWT_SANDBOX)).then((r) => r.json())
}
