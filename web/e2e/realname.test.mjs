// Rows 2.4.a and 2.4.1: who somebody is. Both ways of proving it, and each way
// of failing on the way: at the field, by the checker, late, without a camera,
// without a network, too often.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

let world, phone, page, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试丁' })
  await person.signIn(world, phone, who)
})
after(() => world.close())

const CARD = '4111111111111111'
const next = (on = page) => on.getByRole('button', { name: '下一步' }).click()
const says = (words, on = page) => on.getByRole('alert').filter({ hasText: words }).waitFor()
const again = (on = page) => on.getByRole('button', { name: '重新认证' }).click()
const value = (label) => page.getByLabel(label).inputValue()

/** Fills the form's code and ticks; the pause between two codes is over. */
async function confirm(visitor, somebody) {
  const { page } = visitor
  await world.advance({ minutes: 2 })
  await page.getByRole('button', { name: /获取/ }).click()
  await page.getByLabel(/短信验证码/).fill(await world.lastCode(somebody.phone))
  for (const box of await page.getByRole('checkbox').all()) await box.check()
}

test('2.4.a before real-name there are only the number and what to do first', async () => {
  await page.goto('/me')
  await page.getByRole('heading', { level: 1, name: `${who.phone.slice(0, 3)}****${who.phone.slice(7)}` }).waitFor()
  await page.getByText('完成个人实名后可办理证书').waitFor()
  for (const none of ['PIN 码', '使用记录', '创建企业']) assert.equal(await page.getByText(none).count(), 0, none)
  await proper(phone, 'before real-name')
  await phone.shot('04-me-before')
  await page.getByRole('link', { name: '立即认证' }).click()
  await page.waitForURL(/\/realname/)
})

test('2.4.1 what cannot be right is told at its field, and nothing is sent', async () => {
  const sent = []
  const listen = (r) => r.method() === 'POST' && sent.push(new URL(r.url()).pathname)
  page.on('request', listen)
  await next()
  await says('请输入姓名')
  await says('请输入身份证号')
  await page.getByLabel('姓名').fill('Zhang San')
  await page.getByLabel('身份证号').fill(who.idNumber.slice(0, 17) + (who.idNumber.endsWith('1') ? '2' : '1'))
  await page.getByLabel('姓名').focus()
  await says('身份证号不正确，请核对 18 位号码')
  await page.getByLabel('身份证号').fill('110105202611310019') // a day that does not exist
  await next()
  await says('请按身份证填写 2 至 30 个汉字')
  await says('身份证号不正确')
  await page.getByText('银行卡四要素').click()
  await page.getByLabel('银行卡号').fill('4111111111111112')
  await page.getByLabel('姓名').fill(who.name)
  await says('银行卡号不正确，请核对卡面号码')
  await proper(phone, 'wrong fields')
  await phone.shot('04-realname-fields')
  await page.getByText('手机三要素').click()
  await page.getByLabel('身份证号').fill(who.idNumber)
  await next()
  await says('请先获取验证码')
  assert.deepEqual(sent, [])
  page.off('request', listen)
})

test('2.4.1 the face is consented to by itself', async () => {
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel(/短信验证码/).fill(await world.lastCode(who.phone))
  const [terms, face] = await page.getByRole('checkbox').all()
  await next()
  await says('请阅读并勾选同意协议和人脸信息处理规则')
  await terms.check()
  await next()
  await says('请阅读并勾选同意人脸信息处理规则')
  assert.equal(await face.isChecked(), false)
  await page.getByText('只用于本次核验是否本人，核验后不保存').waitFor()
  await page.getByRole('link', { name: '《人脸信息处理规则》' }).click()
  await page.getByRole('dialog').getByRole('heading', { level: 3 }).first().waitFor()
  await page.getByRole('dialog').getByRole('button', { name: '关闭' }).last().click()
  await face.check()
  await page.getByLabel('姓名').focus()
  await page.getByLabel('姓名').blur()
  await phone.shot('04-realname-form')
})

test('2.4.1 a refusal says why and how often still, and keeps what was typed', async () => {
  await world.nextCheck('refuse')
  await next()
  await page.getByText('认证失败').waitFor()
  await page.getByText('姓名、证件号与手机号未能匹配').waitFor()
  await page.getByText('今日还可尝试 4 次').waitFor()
  await proper(phone, 'refused')
  await phone.shot('04-realname-refused')
  await again()
  assert.equal(await value('姓名'), who.name)
  assert.equal((await value('身份证号')).replaceAll(' ', ''), who.idNumber)

  await page.reload()
  await page.getByText('银行卡四要素').click()
  await page.getByLabel('银行卡号').fill(CARD)
  await confirm(phone, who)
  await world.nextCheck('refuse')
  await next()
  await page.getByText('姓名、证件号与银行卡未能匹配').waitFor()
  await page.getByText('今日还可尝试 3 次').waitFor()
  await again()
  assert.equal((await value('银行卡号')).replaceAll(' ', ''), CARD)
  assert.equal(await page.evaluate((c) => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]).includes(c), CARD), false, 'the card number was stored')
})

test('2.4.1 an answer that is late is waited for and comes by itself, counted once', async () => {
  await page.reload()
  await page.getByLabel('银行卡号').fill(CARD)
  await confirm(phone, who)
  await deny()
  await world.nextCheck('timeout')
  await next()
  await page.getByText('认证中').waitFor()
  await page.getByText('没有应答的，不计入今日次数').waitFor()
  await phone.accessible('waiting')
  await phone.shot('04-realname-waiting')
  await world.advance({ minutes: 2 }) // when the house asks again
  await page.getByText('没有摄像头权限').waitFor({ timeout: 40_000 })
  await page.getByText('今日还可尝试 2 次').waitFor()
})

/** The camera as somebody has it who chose 不允许: the fake one asks nobody. */
async function deny() {
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('denied', 'NotAllowedError'))
  })
}

test('2.4.1 without a camera it is said how to allow it; a reload comes back to the face', async () => {
  await page.getByText('已允许，重试').waitFor()
  await proper(phone, 'no camera')
  await phone.shot('04-camera-denied')
  await page.getByRole('button', { name: '已允许，重试' }).click()
  await page.getByText('没有摄像头权限').waitFor()
  world.camera.nothing()
  await page.reload()
  await page.getByText('请将面部移入框内').or(page.getByText('光线太暗')).waitFor({ timeout: 40_000 })
  await proper(phone, 'framing')
})

test('2.4.1 a file may be given instead only where the house is a sandbox', async () => {
  const file = page.getByLabel('上传视频')
  await file.setInputFiles({ name: 'me.gif', mimeType: 'image/gif', buffer: Buffer.from('GIF89a') })
  await says('请选择 MP4 或 WebM 格式的视频')
  await page.getByText('沙箱', { exact: true }).first().waitFor()
  await phone.context.route('**/app/v1/environment', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...(await answer.json()), faceUpload: false } })
  })
  await page.reload()
  await page.getByText('取景检测在手机上完成').waitFor()
  assert.equal(await page.getByLabel('上传视频').count(), 0)
  await phone.context.unroute('**/app/v1/environment')
})

test('2.4.1 a face is refused, recorded again, sent again without a network, and passes', async () => {
  await world.camera.face(page)
  await world.nextCheck('refuse')
  await page.reload()
  await page.getByText('请缓慢眨眼').waitFor({ timeout: 40_000 })
  await phone.shot('04-face')
  await says('人脸与证件照片未能匹配')
  await page.getByText('今日还可尝试 2 次').waitFor() // the first video of a check is in its attempt
  const video = '**/app/v1/realname/*/face**'
  phone.expect(/Failed to load resource: net::ERR_FAILED/)
  await phone.context.route(video, (route) => route.abort())
  await page.getByText('视频仍在，可直接重新提交').waitFor({ timeout: 40_000 })
  await proper(phone, 'not sent')
  await phone.context.unroute(video)
  await page.getByRole('button', { name: '重新提交' }).click()
  await page.getByText('认证成功').waitFor({ timeout: 30_000 })
  await proper(phone, 'verified')
  await phone.shot('04-realname-passed')
})

test('2.4.a after it the name, the state, PIN and records', async () => {
  await page.goto('/me')
  await page.getByRole('heading', { level: 1, name: who.name }).waitFor()
  await page.getByText('已实名').waitFor()
  await page.getByRole('link', { name: /证书 PIN 码/ }).waitFor()
  await page.getByRole('link', { name: /使用记录/ }).waitFor()
  assert.equal(await page.getByText('立即认证').count(), 0)
  await proper(phone, 'after real-name')
  await phone.shot('04-me')
  await page.getByRole('link', { name: /个人实名/ }).click()
  await page.getByText(`${who.idNumber.slice(0, 4)}**********${who.idNumber.slice(14)}`).waitFor()
  await proper(phone, 'verified facts')
  const me = await page.evaluate(() => fetch('/app/v1/me').then((r) => r.status))
  assert.equal(me, 401, 'the cookie alone opened something')
})

test('2.4.1 an ID number serves one account; five attempts a day, and on the next day again', async () => {
  const second = await world.phone()
  const twin = { ...person.somebody({ name: who.name }), idNumber: who.idNumber }
  await person.signIn(world, second, twin)
  await second.page.goto('/realname')
  await second.page.getByLabel('姓名').fill(twin.name)
  await second.page.getByLabel('身份证号').fill(twin.idNumber)
  await confirm(second, twin)
  await next(second.page)
  await second.page.getByText('该身份证号已在其他账号完成实名').waitFor()
  for (const left of [3, 2, 1, 0]) {
    await second.page.reload()
    await again(second.page)
    await confirm(second, twin)
    await world.nextCheck('refuse')
    await next(second.page)
    await second.page.getByText(left ? `今日还可尝试 ${left} 次` : '今日认证次数已用完').first().waitFor()
  }
  assert.ok(await second.page.getByRole('button', { name: '今日次数已用完' }).isDisabled())
  await proper(second, 'no attempts left')
  await second.shot('04-realname-tomorrow')
  await world.advance({ hours: 25 })
  await second.page.goto('/realname')
  await second.page.reload()
  await until(async () => (await second.page.getByRole('button', { name: '重新认证' }).isEnabled()) || undefined, 'a new day')
  await again(second.page)
  await confirm(second, twin)
  await world.nextCheck('refuse')
  await next(second.page)
  await second.page.getByText('今日还可尝试 4 次').waitFor()
})
