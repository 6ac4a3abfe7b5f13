// Rows 2.2.a–d: what a login asks for and refuses. Codes that are wrong, late,
// used and too many; agreements; the password with its limits.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, open, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

const PASSWORD = 'jade-river-77'
const LATER = 'plum-garden-91'
let world, phone, page, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试丙' })
})
after(() => world.close())

const code = () => page.getByLabel('短信验证码')
const go = () => page.getByRole('button', { name: '登录', exact: true }).click()
const says = (words) => page.getByRole('alert').filter({ hasText: words }).waitFor()
const other = (digits) => (digits === '000000' ? '000001' : '000000')
const atHome = () => page.getByRole('navigation', { name: '主导航' }).waitFor()

/** The login page as somebody finds it who was never here. */
async function fresh(number) {
  await page.evaluate(() => sessionStorage.clear())
  await page.goto('/login')
  await page.getByLabel('手机号').fill(number)
}

/** Asks for a code and gives it. */
async function ask(number) {
  await page.getByRole('button', { name: /获取/ }).click()
  await page.getByText('验证码已发送').waitFor()
  return world.lastCode(number)
}

test('2.2.a what is missing is said at its field, before anything is sent', async () => {
  const sent = []
  page.on('request', (r) => r.method() === 'POST' && sent.push(new URL(r.url()).pathname))
  await page.goto('/')
  await page.waitForURL(/\/login/)
  await page.getByText('客服热线').waitFor()
  await proper(phone, 'login')
  await phone.shot('02-login')
  await go()
  await says('请输入 11 位中国大陆手机号')
  await page.getByLabel('手机号').fill('1234567890')
  await page.getByRole('button', { name: '获取验证码' }).click()
  await says('请输入 11 位中国大陆手机号')
  await page.getByLabel('手机号').fill(who.phone)
  await go()
  await says('请先获取验证码')
  assert.deepEqual(sent, [])
  await page.getByRole('button', { name: '收不到验证码？' }).click()
  await page.getByRole('dialog').getByText('请勿告诉任何人').waitFor()
  await phone.accessible('help with codes')
  await page.getByRole('button', { name: '知道了' }).click()
})

test('2.2.c the agreements can be read by anybody, and nobody is signed in without them', async () => {
  for (const [document, title] of [['user', '用户协议'], ['privacy', '隐私政策'], ['face', '人脸信息处理规则']]) {
    await page.goto(`/agreements/${document}`)
    await page.getByRole('heading', { level: 1, name: title }).waitFor()
    await until(async () => (await page.getByRole('main').innerText()).length > 600, `the text of ${document}`)
    await proper(phone, document)
    await page.getByRole('button', { name: '返回' }).click()
    await page.waitForURL(/\/login/)
  }
  await fresh(who.phone)
  const digits = await ask(who.phone)
  await phone.shot('02-code-sent')
  await page.getByRole('button', { name: /^\d+ 秒后重新获取$/ }).waitFor()
  await code().fill(digits)
  await go()
  const sheet = page.getByRole('dialog')
  await sheet.getByRole('button', { name: '暂不' }).click()
  await sheet.waitFor({ state: 'detached' })
  await go()
  await sheet.waitFor()
  await phone.accessible('agreements asked for')
  await phone.shot('02-agreements')
  await sheet.getByRole('link', { name: /用户协议/ }).click()
  await page.getByRole('heading', { name: '一、协议的范围' }).waitFor()
  await page.getByRole('button', { name: '关闭', exact: true }).last().click()
  await sheet.getByRole('button', { name: '暂不' }).click()
  assert.equal((await page.request.get('/app/v1/me')).status(), 401)
  assert.equal(new URL(page.url()).pathname, '/login')
})

test('2.2.d a wrong code is told and entered again; a right one registers and serves once', async () => {
  const digits = await code().inputValue()
  await code().fill(other(digits))
  await go()
  await page.getByRole('dialog').getByRole('button', { name: '同意并登录' }).click()
  await says('验证码不正确，请重新输入')
  assert.ok(await code().evaluate((e) => e === document.activeElement), 'the field lost its focus')
  await proper(phone, 'wrong code')
  await phone.shot('02-wrong-code')
  let sent
  page.on('request', (r) => r.method() === 'POST' && r.url().endsWith('/sessions') && (sent = r.postDataJSON()))
  await code().fill(digits)
  await go()
  await page.getByText('已为您注册').waitFor()
  await atHome()
  const again = await page.request.post('/app/v1/sessions', { data: sent, headers: { origin: app } })
  assert.ok(!again.ok(), 'a code served twice')
  assert.equal((await again.json()).code, 'sms_code_used')
})

test('2.2.d codes expire, die of wrong entries, and are limited for a phone, with the wait told', async () => {
  const stranger = person.somebody().phone
  await person.signOut(phone)
  await fresh(stranger)
  const first = await ask(stranger)
  await code().fill(first)
  await page.getByRole('checkbox').check()
  await page.reload() // what was typed stays, but for the code
  assert.equal(await page.getByLabel('手机号').inputValue(), `${stranger.slice(0, 3)} ${stranger.slice(3, 7)} ${stranger.slice(7)}`)
  assert.equal(await code().inputValue(), '')
  await page.getByRole('button', { name: '重新获取' }).click()
  await says('验证码已发送，请查看短信')
  await page.getByRole('button', { name: /^\d+ 秒后重新获取$/ }).waitFor()

  await world.advance({ minutes: 6 })
  await code().fill(first)
  await go()
  await says('验证码已过期，请重新获取')

  await fresh(stranger)
  const second = await ask(stranger)
  await page.getByRole('checkbox').check()
  for (let i = 0; i < 5; i++) {
    await code().fill(other(second))
    await go()
    await says(/验证码不正确|输错次数过多/)
    await until(() => page.getByRole('button', { name: '登录', exact: true }).isEnabled(), 'an answer')
  }
  await code().fill(second)
  await go()
  await says(/输错次数过多，已失效|请先获取验证码/)

  for (let i = 0; i < 3; i++) {
    await world.advance({ minutes: 2 })
    await fresh(stranger)
    await ask(stranger)
  }
  await world.advance({ minutes: 2 })
  await fresh(stranger)
  await page.getByRole('button', { name: '获取验证码' }).click()
  await says('今日为该手机号获取验证码的次数已用完')
  await page.getByRole('button', { name: /^2[34] 小时后重新获取$/ }).waitFor()
  await proper(phone, 'too many codes')
  await phone.shot('02-too-many-codes')
})

test('2.2.b A30 where no password was set it is refused with the way out; five wrong ones lock it, codes go on', async () => {
  await fresh(who.phone)
  await page.getByRole('button', { name: '密码登录' }).click()
  await go()
  await says('请输入登录密码')
  await page.getByRole('checkbox').check()
  for (const left of [undefined, 3, 2, 1, 0]) {
    await page.getByLabel('登录密码').fill('not-the-one-5')
    await go()
    await says(left === undefined ? '未设置密码请用验证码登录' : left ? `还可尝试 ${left} 次` : /密码登录已锁定，.*\d\d:\d\d 解锁/)
  }
  await page.getByLabel('登录密码').fill('not-the-one-5')
  await go()
  await says(/立即改用验证码登录.*\d\d:\d\d 解锁/)
  await proper(phone, 'password locked')
  await phone.shot('02-password-locked')
  await page.getByRole('button', { name: '验证码登录' }).click()
  await code().fill(await ask(who.phone))
  await go()
  await atHome()
})

async function byPassword(password) {
  const swap = page.getByRole('button', { name: '密码登录' })
  if (await swap.isVisible()) await swap.click()
  await page.getByLabel('登录密码').fill(password)
  await page.getByRole('checkbox').check()
  await go()
}

async function newPassword(first, second = first) {
  await page.getByLabel('新密码', { exact: true }).fill(first)
  await page.getByLabel('再次输入新密码').fill(second)
  await page.getByRole('button', { name: /^(保存|重置密码)$/ }).click()
}

test('2.2.b a password is set by code and serves after the lock', async () => {
  await page.goto('/settings/password')
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel(/短信验证码/).fill(await world.lastCode(who.phone))
  for (const [first, second, words] of [
    ['short1', 'short1', '密码至少 8 位'],
    ['onlyletters', 'onlyletters', '至少两种'],
    ['有汉字的密码一二三', '有汉字的密码一二三', '只能使用字母、数字和英文符号'],
    [PASSWORD, LATER, '两次输入的密码不一致'],
    [`${who.phone}abc`, `${who.phone}abc`, '不能包含您的手机号'],
  ]) {
    await newPassword(first, second)
    await says(words)
  }
  await proper(phone, 'password refused')
  await newPassword(PASSWORD)
  await page.waitForURL(/\/settings$/)
  await page.getByText('已设置').first().waitFor()
  await person.signOut(phone)
  await world.advance({ minutes: 31 })
  await page.goto('/login')
  await byPassword(PASSWORD)
  await atHome()
})

test('2.2.b it is changed by the old one, and then only the new one serves', async () => {
  await page.goto('/settings/password')
  await page.getByLabel('原密码', { exact: true }).fill('not-the-one-5')
  await newPassword(LATER)
  await says('原密码不正确')
  await page.getByLabel('原密码', { exact: true }).fill(PASSWORD)
  await newPassword(PASSWORD)
  await says('新密码与原密码相同')
  await newPassword(LATER)
  await page.waitForURL(/\/settings$/)
  const told = await world.lastMessage(who.phone, (m) => m.template === 'notice')
  assert.match(JSON.stringify(told.params), /密码/)
  await person.signOut(phone)
  await page.goto('/login')
  await byPassword(PASSWORD)
  await says('手机号或密码不正确')
  await page.getByLabel('登录密码').fill(LATER)
  await go()
  await atHome()
})

test('2.2.b a forgotten one is reset from the login page, which says who has no account', async () => {
  await person.signOut(phone)
  await page.goto('/login')
  const swap = page.getByRole('button', { name: '密码登录' })
  if (await swap.isVisible()) await swap.click()
  await page.getByRole('link', { name: '忘记密码？' }).click()
  await page.getByRole('heading', { name: '重置密码', level: 1 }).waitFor()
  const nobody = person.somebody().phone
  await page.getByLabel('手机号').fill(nobody)
  await page.getByRole('button', { name: '获取验证码' }).click()
  await code().fill(await world.lastCode(nobody))
  await newPassword(PASSWORD)
  await says('该手机号还没有注册')
  await proper(phone, 'reset')
  await page.reload()
  await page.getByLabel('手机号').fill(who.phone)
  await page.getByRole('button', { name: '获取验证码' }).click()
  const digits = await world.lastCode(who.phone)
  await phone.shot('02-password-reset')
  await code().fill(other(digits))
  await newPassword(PASSWORD)
  await says('验证码不正确')
  await code().fill(digits)
  await newPassword(PASSWORD)
  await page.waitForURL(/\/login/)
  await page.getByLabel('登录密码').waitFor()
  await byPassword(PASSWORD)
  await atHome()
})
