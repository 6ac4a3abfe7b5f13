// The PIN (2.7.4): set, used up and locked, unlocked by time and by face,
// changed, reset; and where its digits never are.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, open } from './world.mjs'
import * as person from './person.mjs'
import { key, noWorker, proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
const OLD = '输入原 PIN 码'
let world, phone, page, who, certificate
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试丙', pin: '271942' })
  await person.signIn(world, phone, who)
  await person.verify(world, phone, who)
})
after(() => world.close())

const sheet = () => page.getByRole('dialog')
const code = () => page.getByLabel('短信验证码')

test('2.7.4 a wrong SMS code, a weak PIN and two that differ are told before a PIN is set', async () => {
  await page.goto('/pin')
  await page.getByRole('heading', { name: '证书 PIN 码：尚未设置' }).waitFor()
  await proper(phone, 'no PIN')
  await page.getByRole('link', { name: '设置 PIN 码' }).click()
  await page.getByRole('button', { name: '下一步' }).click()
  await page.getByText('请先获取验证码').waitFor()
  await proper(phone, 'no code')
  await page.getByRole('button', { name: '获取验证码' }).click()
  const sent = await world.lastCode(who.phone)
  await code().fill(sent === '000000' ? '000001' : '000000')
  await page.getByRole('button', { name: '下一步' }).click()
  await page.getByText('验证码不正确').waitFor()
  assert.equal(await sheet().count(), 0, 'a PIN is asked for after a wrong code')
  await proper(phone, 'wrong code')
  await code().fill(sent)
  await page.getByRole('button', { name: '下一步' }).click()
  await person.type(page, '123456')
  await sheet().getByRole('alert').filter({ hasText: '过于常见' }).waitFor()
  await proper(phone, 'weak PIN')
  await phone.shot('11-weak')
  await person.enter(page, person.twice(who.pin, '271943'))
  await sheet().getByText('两次输入不一致，请重新设置').waitFor()
  // Who closes the sheet goes on with the same code, for half an hour.
  await sheet().getByRole('button', { name: '关闭', exact: true }).click()
  await sheet().waitFor({ state: 'detached' })
  await noWorker(page)
  await page.getByRole('button', { name: '下一步' }).click()
  await world.advance({ minutes: 31 })
  await person.enter(page, person.twice(who.pin))
  await page.getByText('本次 PIN 码设置已失效，请重新获取验证码后再设置').waitFor()
  await page.reload() // the pause between two codes is the browser's, and long over at the house
  await page.getByRole('button', { name: '获取验证码' }).click()
  await code().fill(await world.lastCode(who.phone))
})

test('2.7.4 the digits of the PIN are in no page, no store, no address and no request', async () => {
  const sent = []
  const listen = (r) => sent.push({ url: r.url(), headers: r.headers(), body: r.postDataBuffer() })
  phone.context.on('request', listen)
  const everywhere = async () => {
    const found = await page.evaluate(async () => {
      const seen = [document.documentElement.outerHTML, location.href, document.title, JSON.stringify(history.state), JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]
      for (const e of document.querySelectorAll('input, textarea, select')) seen.push(e.value)
      const latin = (b) => new TextDecoder('latin1').decode(b)
      const flat = (v) => (v instanceof ArrayBuffer ? latin(v) : ArrayBuffer.isView(v) ? latin(v) : v && typeof v === 'object' ? Object.values(v).map(flat).join('|') : String(v))
      for (const { name } of await indexedDB.databases()) {
        const db = await new Promise((resolve, reject) => Object.assign(indexedDB.open(name), { onsuccess: (e) => resolve(e.target.result), onerror: reject }))
        for (const store of db.objectStoreNames) {
          const all = await new Promise((resolve) => Object.assign(db.transaction(store).objectStore(store).getAll(), { onsuccess: (e) => resolve(e.target.result) }))
          seen.push(...all.map(flat))
        }
        db.close()
      }
      for (const name of await caches.keys()) for (const r of await (await caches.open(name)).keys()) seen.push(r.url)
      return seen
    })
    return found
  }
  // As text, and as Base64 at each of the three places that it can begin at.
  const forms = [who.pin, ...[0, 1, 2].map((n) => Buffer.from('\0'.repeat(n) + who.pin).toString('base64').slice(n ? n + 1 : 0, n === 0 ? 8 : n === 1 ? 9 : 10))]
  const absent = (texts, where) => {
    for (const t of texts) for (const f of forms) assert.ok(!t.includes(f), `the PIN stands in ${where}`)
  }
  await page.getByRole('button', { name: '下一步' }).click()
  const pad = page.getByRole('group', { name: /数字键盘/ })
  await pad.waitFor()
  const orders = []
  for (const again of [false, true]) {
    if (again) await sheet().getByRole('heading', { name: /再次/ }).waitFor()
    orders.push((await pad.getByRole('button').allInnerTexts()).join(''))
    for (const [i, digit] of [...who.pin].entries()) {
      await pad.getByRole('button', { name: digit, exact: true }).click()
      absent(await everywhere(), `the page after ${i + 1} digits`)
    }
  }
  assert.notEqual(orders[0], orders[1], 'the keys stand where they stood')
  assert.ok(page.workers().length <= 1)
  await page.getByText('PIN 码已设置').waitFor({ timeout: 30_000 })
  await noWorker(page)
  absent(await everywhere(), 'the page afterwards')
  phone.context.off('request', listen)
  assert.ok(sent.some((r) => /\/operations\/.*\/answer/.test(r.url) && r.body?.length > 0), `no answer among ${sent.map((r) => r.url)}`)
  for (const { url, headers, body } of sent) {
    const { 'twt-time': _, ...others } = headers
    absent([url, JSON.stringify(others), body?.toString('latin1') ?? ''], `a request to ${url}`)
  }
  await proper(phone, 'PIN set')
  await phone.shot('11-set')
})

/** Begins a check of the certificate, which asks for the PIN. */
async function check() {
  await page.goto(`/certificates/${certificate}/check`)
  await page.getByRole('group', { name: /数字键盘/ }).waitFor({ timeout: 30_000 })
}

/** Types wrong PINs, each once the one before was refused, and gives what the sheet said last. */
async function wrong(times) {
  let said = ''
  for (let i = 0; i < times; i++) {
    await key(page, String(380_000 + 7 * i))
    const alert = sheet().getByRole('alert')
    await alert.waitFor({ timeout: 30_000 })
    said = await alert.innerText()
  }
  return said
}

test('2.7.4 the tries that are left are told; five wrong ones in a row lock for half an hour', async () => {
  await person.buy(world, phone, PLATFORM)
  await person.install(phone, who)
  certificate = /certificates\/([^/]+)\/install/.exec(page.url())[1]
  await check()
  assert.match(await wrong(1), /PIN 码错误，还可尝试 4 次/)
  await proper(phone, 'a wrong PIN')
  assert.match(await wrong(2), /还可尝试 2 次\s*再输错 2 次将锁定 30 分钟/)
  await phone.shot('11-wrong')
  const words = await wrong(2)
  const [, hour, minute] = /(\d\d):(\d\d)/.exec(words) ?? assert.fail(words)
  const { serverTime } = await (await fetch(`${app}/app/v1/environment`)).json()
  const day = 24 * 60
  const left = (Number(hour) * 60 + Number(minute) - Math.floor(Date.parse(serverTime) / 60_000 + 8 * 60)) % day
  assert.ok((left + day) % day >= 28 && (left + day) % day <= 30, `locked for ${left} min at ${serverTime}: ${words}`)
  await noWorker(page)
  await proper(phone, 'locked')
  await phone.shot('11-locked-sheet')
  await sheet().getByRole('button', { name: '关闭', exact: true }).last().click()
  await page.goto('/pin')
  await page.getByRole('heading', { name: '证书 PIN 码：暂时锁定' }).waitFor()
  await page.getByText(`${hour}:${minute} 自动解锁`).waitFor()
  assert.equal(await page.getByRole('link', { name: '修改 PIN 码' }).count(), 0)
  await page.getByRole('link', { name: '重置 PIN 码' }).waitFor()
  await proper(phone, 'locked, told')
  await phone.shot('11-locked')
})

test('2.7.4 after the time the same PIN serves again', async () => {
  await world.advance({ minutes: 31 })
  await page.reload()
  await page.getByRole('link', { name: '修改 PIN 码' }).waitFor()
  await check()
  await key(page, who.pin)
  await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
  await noWorker(page)
})

test('2.7.4 the PIN is changed: a wrong old one is told, the old one serves no more', async () => {
  await page.goto('/pin/change')
  await page.getByRole('button', { name: '开始修改' }).click()
  await sheet().getByRole('heading', { name: OLD }).waitFor()
  await phone.shot('11-change')
  const fresh = '605813'
  await person.enter(page, [[OLD, '381111'], ...person.twice(fresh)])
  await sheet().getByRole('alert').filter({ hasText: 'PIN 码错误，还可尝试 4 次' }).waitFor({ timeout: 30_000 })
  await person.enter(page, [[OLD, who.pin], [/^设置 6 位/, who.pin]])
  await sheet().getByRole('alert').filter({ hasText: '新 PIN 码不能与原 PIN 码相同' }).waitFor()
  // Typed in one go: what comes while the new PIN is judged is not lost.
  await key(page, fresh + fresh)
  await page.getByText('PIN 码已修改').waitFor({ timeout: 30_000 })
  await noWorker(page)
  await proper(phone, 'changed')
  await check()
  await key(page, who.pin)
  await sheet().getByRole('alert').filter({ hasText: 'PIN 码错误' }).waitFor({ timeout: 30_000 })
  who.pin = fresh
  await key(page, who.pin)
  await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
})

test('2.7.4 thirty wrong ones in a month ask for a face, and the same PIN goes on', async () => {
  let last = ''
  // One was wrong since the change. Nine in a row never lock for good.
  for (let done = 1; done < 30; ) {
    await check()
    for (const [tries, minutes] of [[5, 31], [3, 24 * 60 + 1], [1, 0]]) {
      const n = Math.min(tries, 30 - done)
      last = await wrong(n)
      done += n
      if (done === 30 || minutes === 0) break
      await world.advance({ minutes })
      await check()
    }
    if (done === 30) break
    await key(page, who.pin)
    await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
  }
  await world.advance({ days: 1, minutes: 1 }) // whatever lock the last one brought
  await check()
  await key(page, who.pin)
  await sheet().getByText('本人人脸核验通过后即可继续输入').waitFor({ timeout: 30_000 })
  await proper(phone, `face wanted after ${last}`)
  await phone.shot('11-face-wanted')
  await world.camera.face(page)
  await sheet().getByRole('link', { name: '自助解锁' }).or(sheet().getByRole('button', { name: '自助解锁' })).click()
  await page.getByRole('button', { name: '开始核验' }).waitFor()
  await proper(phone, 'self-service')
  await phone.shot('11-unlock')
  await page.getByRole('button', { name: '开始核验' }).click()
  await person.showFace(world, phone)
  await page.getByText('已解锁').waitFor({ timeout: 40_000 })
  await proper(phone, 'unlocked')
  await page.getByRole('button', { name: '继续' }).click()
  await key(page, who.pin)
  await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
})

test('2.7.4 a forgotten PIN is reset by SMS and face; the old one serves no more', async () => {
  await check()
  await sheet().getByRole('link', { name: '忘记 PIN 码？' }).click()
  await page.waitForURL(/\/recover/)
  await page.getByRole('heading', { name: '重置 PIN 码', level: 1 }).waitFor()
  await proper(phone, 'reset')
  await page.getByRole('button', { name: '获取验证码' }).click()
  await code().fill(await world.lastCode(who.phone))
  await phone.shot('11-reset')
  await world.camera.face(page)
  await page.getByRole('button', { name: '下一步' }).click()
  await person.showFace(world, phone)
  await page.getByText('已确认是您本人').waitFor({ timeout: 40_000 })
  await proper(phone, 'the face passed')
  await page.getByRole('button', { name: '设置新 PIN 码' }).click()
  await person.enter(page, person.twice('950274'))
  await page.getByText('PIN 码已重置').waitFor({ timeout: 60_000 })
  await noWorker(page)
  await proper(phone, 'reset done')
  await phone.shot('11-reset-done')
  await check()
  await key(page, who.pin)
  await sheet().getByRole('alert').filter({ hasText: 'PIN 码错误' }).waitFor({ timeout: 30_000 })
  await key(page, '950274')
  await page.getByText('可以正常使用').waitFor({ timeout: 30_000 })
})
