// 2.8.7: storage that is lost is noticed when a login is confirmed, recovered,
// and the same login goes on; a new phone, which the old one stops or confirms.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { open } from './world.mjs'
import * as person from './person.mjs'
import { openLogin, proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
const pin = '739164' // after the first recovery
let world, phone, desk, who
before(async () => {
  world = await open()
  phone = await world.phone()
  desk = await world.desktop()
  who = person.somebody()
  await person.enrol(world, phone, who, PLATFORM)
})
after(() => world.close())

/** Takes the key shares off the phone, as a browser that clears its data does; the login stays. */
async function loseKeys() {
  await phone.page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const open = indexedDB.open('tianweitong')
        open.onerror = () => reject(open.error)
        open.onsuccess = () => {
          const t = open.result.transaction('kv', 'readwrite')
          const keys = t.objectStore('kv').getAllKeys()
          keys.onsuccess = () => {
            for (const k of keys.result) if (String(k).startsWith('phone:') || k === 'wrap') t.objectStore('kv').delete(k)
          }
          t.oncomplete = () => {
            open.result.close()
            resolve()
          }
          t.onabort = () => reject(t.error)
        }
      }),
  )
}

test('2.8.7 a login whose keys are lost waits for their recovery and then goes on', async () => {
  const { page } = phone
  await person.askLogin(desk)
  await loseKeys()
  await person.scan(world, phone, desk)
  const login = new URL(page.url()).pathname
  const notice = page.getByRole('dialog')
  await notice.waitFor()
  await proper(phone, 'key lost')
  await phone.shot('08-key-lost')
  await notice.getByRole('link', { name: '补办恢复' }).or(notice.getByRole('button', { name: '补办恢复' })).click()
  await page.getByRole('button', { name: '获取验证码' }).click()
  await proper(phone, 'recovery begins')
  await phone.shot('08-recover-begin')
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  await world.camera.face(page)
  await page.getByRole('button', { name: '下一步' }).click()
  await person.showFace(world, phone)
  await page.getByText('已确认是您本人').waitFor({ timeout: 30_000 })
  await page.getByRole('button', { name: '设置新 PIN 码' }).click()
  await person.enter(page, person.twice(pin))
  await page.getByText('密钥已恢复').waitFor({ timeout: 60_000 })
  await phone.shot('08-recovered')
  await page.waitForURL((u) => u.pathname === login)
  await person.typeCode(phone, desk)
  await page.getByRole('button', { name: '确认登录' }).click()
  await person.type(page, pin)
  await page.getByText('登录成功').waitFor()
  await desk.page.getByRole('heading', { name: '投标函', level: 1 }).waitFor()
})

test('2.8.7 the old phone is told of a new one, stops it, and goes on as before', async () => {
  const fresh = await world.phone()
  await world.advance({ minutes: 2 }) // before the next codes to this number
  await person.signIn(world, fresh, who)
  await fresh.page.getByRole('link', { name: '补办恢复' }).or(fresh.page.getByRole('button', { name: '补办恢复' })).first().click()
  await fresh.page.waitForURL(/\/recover/)
  await recoverUpToFace(fresh)
  await fresh.page.getByText('已确认是您本人').waitFor({ timeout: 40_000 })
  await proper(fresh, 'new phone, face passed')

  const { page } = phone
  await page.goto('/')
  await page.getByRole('heading', { name: '是您本人在换手机吗？' }).waitFor()
  await page.getByText('本机已暂停使用证书').waitFor()
  await proper(phone, 'old phone told')
  await phone.shot('08-recover-old-phone')
  const told = await world.lastMessage(who.phone, (m) => !m.params?.code)
  assert.ok(told, 'no message about the recovery')
  await page.getByRole('button', { name: '停止补办' }).click()
  await page.getByRole('dialog').getByText('另一台手机将退出登录').waitFor()
  await proper(phone, 'stop?')
  await page.getByRole('dialog').getByRole('button', { name: '停止补办' }).click()
  await page.getByText('已停止补办恢复').waitFor()
  await page.getByRole('heading', { name: '是您本人在换手机吗？' }).waitFor({ state: 'detached' })

  // The thief's phone is put out.
  await fresh.page.goto('/certificates')
  await fresh.page.getByRole('heading', { name: '请重新登录' }).waitFor()

  // Nothing was lost by it: the keys of this phone sign as they did.
  const other = await world.desktop()
  await openLogin(world, phone, other)
  await person.typeCode(phone, other)
  await page.getByRole('button', { name: '确认登录' }).click()
  await person.type(page, pin)
  await page.getByText('登录成功').waitFor({ timeout: 30_000 })
})

test('2.8.7 a new phone takes the certificates over; the old one uses them no more', async () => {
  const fresh = await world.phone()
  await world.advance({ minutes: 2 })
  await person.signIn(world, fresh, who)
  await fresh.page.goto('/recover?reason=new')
  await recoverUpToFace(fresh)
  await fresh.page.getByText('已确认是您本人').waitFor({ timeout: 40_000 })
  await phone.page.goto('/')
  await phone.page.getByRole('button', { name: '确认是我本人' }).click()
  await phone.page.getByRole('dialog').getByRole('button', { name: '确认', exact: true }).click()
  await phone.page.getByText('您已确认是本人办理').waitFor()
  await fresh.page.getByRole('button', { name: '设置新 PIN 码' }).click()
  await person.enter(fresh.page, person.twice('527081'))
  await fresh.page.getByText('密钥已恢复').waitFor({ timeout: 60_000 })
  await proper(fresh, 'recovered on the new phone')
  await fresh.shot('08-recover-new-phone')
  // Confirmed by the old phone, nothing is held back, and its login ends.
  assert.equal(await fresh.page.getByText('后可解密').count(), 0)
  await phone.page.goto('/certificates')
  await phone.page.getByRole('heading', { name: '请重新登录' }).waitFor()

  const other = await world.desktop()
  await openLogin(world, fresh, other)
  await person.typeCode(fresh, other)
  await fresh.page.getByRole('button', { name: '确认登录' }).click()
  await person.type(fresh.page, '527081')
  await fresh.page.getByText('登录成功').waitFor({ timeout: 30_000 })
})

/** SMS code and face on the page of a recovery. */
async function recoverUpToFace(visitor) {
  const { page } = visitor
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  await world.camera.face(page)
  await page.getByRole('button', { name: '下一步' }).click()
  await person.showFace(world, visitor)
}
