// 2.8.7: storage that is lost is noticed when a login is confirmed, recovered,
// and the same login goes on.
import { after, before, test } from 'node:test'
import { open } from './world.mjs'
import * as person from './person.mjs'

const PLATFORM = 'D1100009001'
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
  await phone.shot('key-lost')
  await notice.getByRole('link', { name: '补办恢复' }).or(notice.getByRole('button', { name: '补办恢复' })).click()
  await page.getByRole('button', { name: '获取验证码' }).click()
  await phone.shot('recover-begin')
  await page.getByLabel('短信验证码').fill(await world.lastCode(who.phone))
  await world.camera.face(page)
  await page.getByRole('button', { name: '下一步' }).click()
  await person.showFace(world, phone)
  await page.getByText('已确认是您本人').waitFor({ timeout: 30_000 })
  await page.getByRole('button', { name: '设置新 PIN 码' }).click()
  await person.type(page, '739164')
  await page.getByRole('heading', { name: /再次|再输/ }).waitFor()
  await person.type(page, '739164')
  await page.getByText('密钥已恢复').waitFor({ timeout: 60_000 })
  await phone.shot('recovered')
  await page.waitForURL((u) => u.pathname === login)
  await person.typeCode(phone, desk)
  await page.getByRole('button', { name: '确认登录' }).click()
  await person.type(page, '739164')
  await page.getByText('登录成功').waitFor()
  await desk.page.getByRole('heading', { name: '投标函', level: 1 }).waitFor()
})
