// The sandbox panel: what a developer reads and decides while a phone waits.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, open, sandbox } from './world.mjs'

let world
before(async () => (world = await open()))
after(() => world.close())

/** Asks the house for a login code, as the app does, with a captcha where one is wanted, and waits for nothing. */
async function askCode(phone) {
  const post = (path, body) => fetch(`${app}/app/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  let res = await post('/codes', { purpose: 'login', phone })
  if (res.status === 409) {
    const { id } = await (await post('/captcha', {})).json()
    const { x } = await (await fetch(`${sandbox}/sandbox/captcha/${id}`)).json()
    res = await post('/codes', { purpose: 'login', phone, captcha: { id, x } })
  }
  assert.ok(res.ok, await res.text())
}

test('an SMS comes in by itself, its code large and ready to copy', async () => {
  const desk = await world.desktop({ base: sandbox, width: 1440, permissions: ['clipboard-read', 'clipboard-write'] })
  await desk.page.goto('/')
  await desk.page.getByText('已连接').waitFor()
  await askCode('19900000001')
  await askCode('19900000002')
  const inbox = desk.page.locator('#sms')
  await inbox.getByText('199 0000 0001').waitFor()
  await inbox.getByText('199 0000 0002').waitFor()
  await inbox.getByLabel('按手机号筛选').fill('0001')
  await inbox.getByText('199 0000 0002').waitFor({ state: 'detached' })
  const code = await inbox.locator('.digits').innerText()
  assert.match(code, /^\d{6}$/)
  await inbox.getByRole('button', { name: '复制' }).click()
  await desk.page.getByText(`已复制验证码 ${code}`).waitFor()
  await desk.page.locator('#log').getByText('短信已送达').first().waitFor()
  await desk.accessible()
  await desk.fits()
})

test('the next check is set, shown and taken back', async () => {
  const desk = await world.desktop({ base: sandbox, dark: true })
  await desk.page.goto('/')
  const checks = desk.page.locator('#checks')
  await checks.getByRole('button', { name: '拒绝', exact: true }).click()
  await checks.getByText('已设置').waitFor()
  await checks.getByRole('button', { name: '清除' }).click()
  await checks.getByText('所有核验都会通过').waitFor()
  await desk.accessible('dark')
})

test('the clock goes forward after a question, and the platform is listed', async () => {
  const desk = await world.desktop({ base: sandbox, width: 390, height: 844 })
  await desk.page.goto('/')
  const clock = desk.page.locator('#clock')
  const read = async () => new Date(await clock.locator('time').getAttribute('datetime')).getTime()
  await clock.locator('time[datetime]').waitFor()
  const before = await read()
  await clock.getByLabel('前进多少').fill('0')
  await clock.getByText('请输入正整数').waitFor()
  await clock.getByRole('button', { name: '前进 1 天' }).click()
  await desk.page.getByRole('dialog').getByText('不能再拨回来').waitFor()
  await desk.accessible('dialog')
  await desk.page.getByRole('dialog').getByRole('button', { name: '取消' }).click()
  assert.ok((await read()) - before < 3_600_000, 'the clock moved without a yes')
  await clock.getByRole('button', { name: '前进 1 天' }).click()
  await desk.page.getByRole('dialog').getByRole('button', { name: '前进 1 天' }).click()
  await desk.page.getByText('时间已前进 1 天').waitFor()
  await desk.page.waitForFunction((t) => new Date(document.querySelector('#clock time').dateTime).getTime() - t >= 86_400_000, before)
  await desk.page.locator('#platforms li').first().waitFor()
  await desk.accessible('narrow')
  await desk.fits()
})
