// The console's reviews (实名审核): officers sign in with two factors, read an enterprise's
// papers, refuse, ask for a second opinion, approve.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open, until } from './world.mjs'
import * as firm from './enterprise.mjs'
import * as person from './person.mjs'
import { begin, passwordOf, proper, prove, seat, typePassword } from './seat.mjs'

let world, phone, who
const first = firm.enterprise({ name: '样例审核测试有限公司' })
const second = firm.enterprise({ name: '样例复核测试有限公司', legal: '测试法人乙' })

before(async () => {
  world = await open()
  phone = await world.phone()
  who = person.somebody({ name: '测试甲' })
  await person.signIn(world, phone, who)
  await person.verify(world, phone, who)
  for (const f of [first, second]) await submit(f)
})
after(() => world.close())

/** 企业实名 by papers, up to the officers. */
async function submit(f) {
  const { page } = phone
  await firm.begin(phone, f)
  await page.getByText('单位证件 + 企业授权书').click()
  await firm.put(phone, '营业执照', await firm.picture(phone, '营业执照', { width: 1000, height: 1400 }))
  await firm.put(phone, '盖章的授权书', await firm.picture(phone, '授权书', { width: 1000, height: 1400 }))
  await page.getByText('正在上传').first().waitFor({ state: 'detached' })
  await page.getByRole('button', { name: '提交审核' }).click()
  await page.getByText('人工审核中').first().waitFor()
  f.at = page.url()
}

let one

test('an officer signs in with the password and an authenticator, and only with both', async () => {
  one = await seat(world)
  const { page } = one
  await proper(one, 'login')
  await one.shot('console-login')
  await typePassword(one, 'verifier-1', 'not the password')
  await page.getByRole('alert').filter({ hasText: '不正确' }).waitFor()
  await begin(one, 'verifier-1', { shots: true })
  await page.waitForURL(/\/reviews\//)
  await page.getByRole('button', { name: '退出登录' }).click()
  await page.waitForURL(/\/login/)
  await typePassword(one, 'verifier-1', passwordOf('verifier-1'))
  await page.getByLabel('验证器上的 6 位动态口令').waitFor()
  await proper(one, 'second factor')
  await page.goto('/reviews') // half a session opens nothing
  await page.waitForURL(/\/login/)
  await page.getByLabel('验证器上的 6 位动态口令').pressSequentially('000000')
  await page.getByRole('alert').filter({ hasText: /\S/ }).waitFor()
  await prove(one, 'verifier-1')
  await page.waitForURL(/\/reviews\//)
})

test('he reads the papers beside the register’s data and refuses with reasons; the applicant hears at once', async () => {
  const { page } = one
  await page.getByRole('button', { name: first.name }).click()
  await page.getByRole('heading', { level: 2, name: first.name }).waitFor()
  for (const [tab, pictures] of [['授权书', ['企业授权书']], ['营业执照', ['营业执照']], ['法人身份证', ['法定代表人身份证人像面', '法定代表人身份证国徽面']]]) {
    await page.getByRole('button', { name: tab, exact: true }).click()
    for (const name of pictures) {
      const img = page.getByRole('img', { name, exact: true })
      await img.waitFor()
      await until(() => img.evaluate((i) => i.complete && i.naturalWidth > 500), name)
    }
  }
  await page.getByRole('button', { name: '授权书', exact: true }).click()
  await page.getByRole('row', { name: /企业名称/ }).getByText('一致', { exact: true }).waitFor({ state: 'attached' })
  await proper(one, 'review')
  await one.shot('console-review')
  await one.dark(() => one.shot('console-review-dark'))
  await page.getByRole('button', { name: '并排对照' }).click()
  await page.getByRole('img', { name: '营业执照', exact: true }).waitFor()
  await proper(one, 'two papers')
  await page.getByRole('button', { name: '并排对照' }).click()
  await page.getByRole('button', { name: '放大' }).click()
  await page.getByRole('button', { name: '向右旋转' }).click()

  await page.keyboard.press('1')
  await page.getByText('由您处理中').waitFor()
  await page.getByRole('button', { name: '驳回', exact: true }).click()
  const dialog = page.getByRole('dialog')
  const send = dialog.getByRole('button', { name: '驳回' })
  assert.ok(await send.isDisabled(), 'a refusal without a reason')
  await dialog.locator('.el-checkbox').first().click()
  const reason = (await dialog.locator('.el-checkbox').first().innerText()).trim()
  await dialog.getByLabel('审核意见').fill('请使用彩色扫描件。')
  await proper(one, 'refusal')
  await one.shot('console-refuse')
  // The session ends in the middle: what was typed stays, and goes out after a new sign-in.
  await one.context.clearCookies()
  await send.click()
  await page.getByText('请重新登录').waitFor()
  await one.accessible('sign in again')
  await page.getByLabel('密码', { exact: true }).fill(passwordOf('verifier-1'))
  await page.getByRole('button', { name: '登录', exact: true }).click()
  await prove(one, 'verifier-1')
  await page.getByText(`${first.name}：已驳回`).waitFor()

  await phone.page.goto(first.at)
  await phone.page.getByText('审核未通过').waitFor()
  await phone.page.getByText(reason).waitFor()
  await phone.page.getByText('请使用彩色扫描件').waitFor()
})

test('he asks for a second opinion; another verifier approves, he himself cannot', async () => {
  const { page } = one
  await page.getByRole('heading', { level: 2, name: second.name }).waitFor() // the next one opened by itself
  await page.getByRole('button', { name: '转复核' }).click()
  await page.getByLabel('请复核人员注意什么').fill('印文疑似不一致')
  await page.getByRole('dialog').getByRole('button', { name: '转复核' }).click()
  await page.getByText(`${second.name}：已转复核`).waitFor()
  await page.getByRole('button', { name: '复核', exact: true }).click()
  await page.getByText('须由另一名鉴证员办理').waitFor()
  assert.ok(await page.getByRole('button', { name: /^通过/ }).isDisabled())
  await proper(one, 'barred')

  const two = await seat(world, { dark: true })
  await begin(two, 'verifier-2')
  await two.page.getByRole('button', { name: '复核', exact: true }).click()
  await two.page.getByText('转来复核，请独立判断').waitFor()
  const list = two.page.getByRole('group', { name: '人工核对' })
  const lines = await list.locator('.el-checkbox').count()
  assert.ok(lines > 1, `${lines} lines to check`)
  await two.page.getByRole('button', { name: `通过（还差 ${lines} 项）` }).waitFor()
  for (let i = 1; i <= lines; i++) await two.page.keyboard.press(String(i))
  await two.page.getByRole('button', { name: '通过', exact: true }).click()
  await two.page.getByText(`${second.name}：已通过`).waitFor()
  await two.page.getByRole('button', { name: '已办' }).click()
  await two.page.getByRole('button', { name: second.name }).click()
  await two.page.getByText(/办结/).first().waitFor()
  await proper(two, 'done')

  await page.goto('/audit')
  await page.getByText('您的角色不能查看这一页').waitFor()
  await proper(one, 'no right')
  await page.goto('/no-such-page')
  await page.getByText('没有这个页面').waitFor()
  await proper(one, 'no page')
})

test('a page whose officer has gone stops asking, and is veiled once its session is over', async () => {
  const desk = await seat(world)
  const { page } = desk
  await page.clock.install()
  await page.reload() // so that the page's own timers are the clock's
  await page.getByLabel('登录名').waitFor()
  await typePassword(desk, 'verifier-1', passwordOf('verifier-1'))
  await prove(desk, 'verifier-1')
  await page.getByRole('heading', { level: 1, name: '实名审核' }).waitFor()
  await page.clock.runFor('04:00') // nobody touches it
  const asked = []
  page.on('request', (r) => asked.push(new URL(r.url()).pathname))
  await page.clock.fastForward('20:00')
  await desk.context.clearCookies()
  await page.clock.fastForward('20:00')
  await page.getByText('请重新登录').waitFor()
  assert.deepEqual([...new Set(asked)].filter((path) => path.startsWith('/console/')), ['/console/v1/session'])
})
