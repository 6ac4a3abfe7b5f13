// Members of an enterprise: joining by request and by invitation (2.4.2.b), identities
// (2.4.3, 2.4.b), the administrator's change (2.4.4), approvals and removals (2.4.5).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open } from './world.mjs'
import * as person from './person.mjs'
import * as firm from './enterprise.mjs'
import { proper } from './screens.mjs'

let world, boss, ann, ben, id
const house = firm.enterprise({ name: '样例测试科技有限公司' })
const who = { boss: person.somebody({ name: '测试甲' }), ann: person.somebody({ name: '测试乙' }), ben: person.somebody({ name: '测试丙' }) }

before(async () => {
  world = await open()
  boss = await world.phone()
  ann = await world.phone()
  for (const [visitor, p] of [[boss, who.boss], [ann, who.ann]]) {
    await person.signIn(world, visitor, p)
    await person.verify(world, visitor, p)
  }
  ;({ id } = await firm.createByPhone(world, boss, house))
})
after(() => world.close())

const members = (visitor, tab = '') => visitor.page.goto(`/enterprises/${id}/members${tab && `?tab=${tab}`}`)
const row = (visitor, name) => visitor.page.getByRole('listitem').filter({ hasText: name })

/** Swipes a row to the left, as a thumb does. */
async function swipe({ page }, name) {
  const box = await row({ page }, name).boundingBox()
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width - 90, y)
  await page.mouse.down()
  await page.mouse.move(box.x + 120, y + 3, { steps: 8 })
  await page.mouse.up()
}

test('2.4.2.b who knows the administrator asks to join; who does not is told in one sentence', async () => {
  const { page } = ann
  await members(boss, 'requests')
  await boss.page.getByText('没有待审核的申请').waitFor()
  await page.goto('/enterprises/find')
  await page.getByRole('searchbox', { name: '查找企业' }).fill('样例测试')
  await page.getByRole('link', { name: new RegExp(`^申请加入\\s*${house.name}`) }).click()
  await page.getByLabel('管理员姓名').fill('别人名字')
  await page.getByLabel('管理员手机号').fill(who.boss.phone)
  await page.getByRole('button', { name: '提交申请' }).click()
  await page.getByText('管理员姓名或手机号不正确').waitFor()
  await proper(ann, 'join')
  await page.getByLabel('管理员姓名').fill(who.boss.name)
  await ann.shot('04-join')
  await page.getByRole('button', { name: '提交申请' }).click()
  await page.getByText('已提交，等待管理员审核').waitFor()
  await page.getByRole('link', { name: '查看申请' }).click()
  await page.getByText('待审核').waitFor()
  await proper(ann, 'requests')
})

test('2.4.5 the administrator refuses with a reason, and accepts', async () => {
  const { page } = boss
  await row(boss, who.ann.name).waitFor() // live: nobody reloads
  await proper(boss, 'applicants')
  await boss.shot('04-applicants')
  await page.getByRole('button', { name: new RegExp(`^拒绝\\s*${who.ann.name}`) }).click()
  await page.getByRole('dialog').getByRole('button', { name: '拒绝', exact: true }).click()
  await page.getByText('请选择或填写原因').waitFor()
  await page.getByRole('button', { name: '请线下确认' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '拒绝', exact: true }).click()
  await page.getByText('没有待审核的申请').waitFor()

  await ann.page.getByText('拒绝原因：请线下确认').waitFor()
  await ann.page.getByRole('link', { name: '重新申请' }).click()
  await ann.page.getByLabel('管理员姓名').fill(who.boss.name)
  await ann.page.getByLabel('管理员手机号').fill(who.boss.phone)
  await ann.page.getByRole('button', { name: '提交申请' }).click()
  await ann.page.getByText('已提交，等待管理员审核').waitFor()
  await page.getByRole('button', { name: new RegExp(`^同意\\s*${who.ann.name}加入`) }).click()
  await page.getByText('没有待审核的申请').waitFor()
  await members(boss)
  await row(boss, who.ann.name).waitFor()
  await page.getByText('全部成员 2').waitFor()
})

test('2.4.3 2.4.b the identity is changed on the first screen and in 我的, and remembered', async () => {
  const { page } = ann
  await firm.actAs(ann, house.name)
  await page.getByText('企业 · 成员 · 已实名').waitFor()
  assert.equal(await page.getByRole('link', { name: '成员管理' }).count(), 0, 'members do not manage members')
  assert.equal(await page.getByText('三步开通手机证书').count(), 0, 'the person’s guide is not the enterprise’s')
  await page.reload()
  await page.getByRole('heading', { level: 1, name: house.name }).waitFor()
  await page.goto('/me')
  await page.getByText('企业身份 · 成员').waitFor()
  await page.getByRole('button', { name: '切换身份' }).click()
  await proper(ann, 'identities')
  await ann.shot('04-identities')
  await page.getByRole('dialog').getByRole('button', { name: who.ann.name }).click()
  await page.getByText('个人身份 · ').waitFor()
  await page.reload()
  await page.getByRole('heading', { level: 1, name: who.ann.name }).waitFor()
  // What only persons do yet leads there as an enterprise too.
  await firm.actAs(ann, house.name)
  await page.goto('/scan')
  await page.getByText('请切换为个人身份').waitFor()
  await proper(ann, 'personal')

  await firm.actAs(boss, house.name)
  await boss.page.goto('/me')
  await boss.page.getByRole('link', { name: '成员管理' }).waitFor()
  await proper(boss, 'me of an enterprise')
  await boss.shot('04-me-enterprise')
})

test('2.4.2.b an invitation by SMS: opened without a login, then login, real-name, the enterprise', async () => {
  const { page } = boss
  await members(boss)
  await page.getByRole('link', { name: '邀请加入' }).click()
  await page.getByLabel('姓名').fill(who.ben.name)
  await page.getByLabel('手机号').fill(who.ben.phone)
  await boss.shot('04-invite')
  await page.getByRole('button', { name: '发送邀请' }).click()
  await page.getByText('邀请已发送').waitFor()
  await page.getByRole('link', { name: '查看邀请' }).click()
  await page.getByText('等待接受').waitFor()
  await proper(boss, 'invitations')

  ben = await world.phone()
  const { params } = await world.lastMessage(who.ben.phone, (m) => m.params?.link)
  await ben.page.goto(params.link)
  await ben.page.getByText('邀请您加入').waitFor()
  assert.doesNotMatch(ben.page.url(), /#/, 'the token left the address')
  await proper(ben, 'invitation')
  await ben.shot('04-invitation')
  await ben.page.getByRole('link', { name: '登录并继续' }).click()
  await ben.page.getByLabel('手机号').fill(who.ben.phone)
  await ben.page.getByRole('button', { name: '获取验证码' }).click()
  await ben.page.getByLabel('短信验证码').fill(await world.lastCode(who.ben.phone))
  await ben.page.getByRole('checkbox').first().check()
  await ben.page.getByRole('button', { name: '登录', exact: true }).click()
  await ben.page.getByRole('link', { name: '完成个人实名' }).click()
  await person.fillPerson(world, ben, who.ben)
  await world.camera.face(ben.page)
  await ben.page.getByRole('button', { name: '下一步' }).click()
  await person.showFace(world, ben)
  await ben.page.getByText('认证成功').waitFor({ timeout: 30_000 })
  await ben.page.getByRole('link', { name: '继续' }).click()
  await ben.page.getByRole('button', { name: '接受并加入' }).click()
  await ben.page.getByRole('heading', { level: 1, name: house.name }).waitFor()
  await ben.page.getByText('企业 · 成员').waitFor()
  await page.getByText('已加入').waitFor() // live, on the administrator's phone
})

test('2.4.4 the administrator transfers by SMS code, from a swiped row; exactly one remains', async () => {
  const { page } = boss
  await members(boss)
  await swipe(boss, who.ann.name)
  await page.getByRole('button', { name: /^转让\s*管理员$/ }).waitFor()
  await boss.shot('04-members-swiped')
  await proper(boss, 'members')
  await page.getByRole('button', { name: /^转让\s*管理员$/ }).click()
  await page.getByRole('heading', { name: who.ann.name }).waitFor()
  await page.getByText('我已核对新管理员').click()
  await proper(boss, 'transfer')
  await boss.shot('04-transfer')
  await world.advance({ minutes: 2 })
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel('短信验证码').fill('000000')
  await page.getByRole('button', { name: '确认转让' }).click()
  await page.getByRole('alert').waitFor()
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.boss.phone))
  await page.getByRole('button', { name: '确认转让' }).click()
  await page.getByText('管理员已转让').waitFor()
  await ann.page.goto('/')
  await ann.page.getByText('企业 · 管理员').waitFor()
  await page.goto('/')
  await page.getByText('企业 · 成员').waitFor()
  await members(boss)
  await page.getByText('只有企业管理员可以办理').waitFor()
})

test('2.4.4 and by the PIN, from the list', async () => {
  const { page } = ann
  await person.setPIN(world, ann, who.ann)
  await page.goto(`/enterprises/${id}`)
  await page.getByRole('link', { name: '转让管理员' }).first().click()
  await page.getByRole('button', { name: new RegExp(who.boss.name) }).click()
  await page.getByText('我已核对新管理员').click()
  await page.getByRole('radio', { name: 'PIN 码' }).waitFor({ state: 'attached' })
  await page.getByRole('button', { name: '确认转让' }).click()
  await person.type(page, who.ann.pin)
  await page.getByText('管理员已转让').waitFor({ timeout: 30_000 })
  await boss.page.goto('/')
  await boss.page.getByText('企业 · 管理员').waitFor()
})

test('2.4.5 a removed member is a person again at once; another leaves', async () => {
  const { page } = boss
  await ben.page.goto('/')
  await ben.page.getByText('企业 · 成员').waitFor()
  await members(boss)
  await page.getByRole('button', { name: `${who.ben.name}的更多操作` }).click()
  await page.getByRole('dialog').getByRole('button', { name: '移除成员' }).click()
  await page.getByRole('button', { name: '已离职' }).click()
  await boss.shot('04-remove')
  await page.getByRole('dialog').getByRole('button', { name: '移除', exact: true }).click()
  await page.getByText('全部成员 2').waitFor()
  await ben.page.getByRole('heading', { level: 1, name: who.ben.name }).waitFor() // live
  await ben.page.getByText('个人 · 已实名').waitFor()

  await ann.page.goto(`/enterprises/${id}`)
  await proper(ann, 'enterprise of a member')
  await ann.page.getByRole('button', { name: '退出企业' }).click()
  await ann.page.getByRole('dialog').getByRole('button', { name: '退出企业' }).click()
  await ann.page.waitForURL(/\/me$/)
  await ann.page.getByText('创建或加入企业后').waitFor()
  await page.getByText('全部成员 1').waitFor()
  await page.goto(`/enterprises/${id}`)
  await page.getByText('管理员不能直接退出企业').waitFor()
})
