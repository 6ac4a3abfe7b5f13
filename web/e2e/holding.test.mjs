// What somebody sees who has a certificate: lists, notices, its records, an
// installation on a bad network, a revocation that the world learns of, and that
// no page has a button which does nothing (rows 2.3.a, 2.7.1, 2.7.8, 2.7.9).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { app, open, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, who, certificate
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试庚' })
  certificate = await person.enrol(world, phone, who, PLATFORM)
})
after(() => world.close())

const link = (name) => page.getByRole('link', { name })
const button = (name) => page.getByRole('button', { name })

test('2.3.a the bell counts what is new; reading a notice leads to what it tells of', async () => {
  await page.goto('/')
  const bell = link(/通知与待办，\d+ 条未读/)
  const count = Number(/(\d+) 条/.exec(await bell.getAttribute('aria-label'))[1])
  assert.ok(count >= 2, `${count} unread`)
  await phone.shot('2.3.a-home')
  await bell.click()
  await page.getByText('没有待办事项').waitFor()
  await proper(phone, 'no to-dos')
  await page.getByRole('tab', { name: /通知/ }).click()
  await page.getByText('证书已安装', { exact: true }).waitFor()
  await phone.shot('2.3.a-notices')
  await button(/证书已安装/).first().click()
  await page.waitForURL(/\/certificates\//)
  await page.goto('/')
  await link(`通知与待办，${count - 1} 条未读`).waitFor()
})

test('2.7.8 a network that breaks during the installation costs nothing and is gone on from', async () => {
  await person.buy(world, phone, PLATFORM)
  await link('立即安装').click()
  await page.waitForURL(/\/install$/)
  await page.getByText('输入 PIN 码并安装').waitFor()
  await phone.shot('2.7.8-install')
  await phone.context.route('**/installation/delivery', (route) => route.abort('connectionreset'))
  phone.expect(/ERR_CONNECTION_RESET/)
  await button('输入 PIN 码并安装').click()
  await page.getByRole('group', { name: /数字键盘/ }).waitFor()
  await phone.accessible('the sheet of the PIN')
  await phone.shot('2.7.8-pin')
  await person.type(page, who.pin)
  await page.getByText('没有重复扣费，可直接重试').waitFor({ timeout: 60_000 })
  await proper(phone, 'installation without a network')
  await phone.shot('2.7.8-broken')
  await phone.context.unrouteAll({ behavior: 'ignoreErrors' })
  await page.reload()
  await button('继续安装').click()
  await person.type(page, who.pin)
  await page.getByText('安装成功').waitFor({ timeout: 60_000 })
  await phone.shot('2.7.8-installed')
  await page.goto('/certificates')
  await until(async () => (await link(/查看详情/).count()) === 2, 'two certificates, not three')
})

test('2.7.1 the list by state, by holder and by platform', async () => {
  await person.buy(world, phone, PLATFORM)
  await page.goto('/certificates')
  const chip = (name) => page.getByRole('group', { name: '按状态筛选' }).getByRole('button', { name })
  await chip(/全部\s*3/).waitFor()
  await chip(/有效\s*2/).waitFor()
  await phone.shot('2.7.1-certificates')
  await chip(/待下载\s*1/).click()
  await until(async () => (await page.getByRole('article').count()) === 1, 'the one to install')
  await link('下载安装').waitFor()
  await page.reload() // the choice is in the address
  assert.equal(await chip(/待下载/).getAttribute('aria-pressed'), 'true')
  await until(async () => (await page.getByRole('article').count()) === 1, 'the one to install')
  const search = page.getByRole('searchbox', { name: '使用人姓名或交易平台' })
  await chip(/全部/).click()
  for (const [query, found] of [['样例招采', 3], [who.name, 3], ['样例交易中心', 0], ['%', 0]]) {
    await search.fill(query)
    if (found) await until(async () => (await page.getByRole('article').count()) === found, `${found} for ${query}`)
    else await page.getByText('没有符合条件的证书').waitFor()
  }
  await button('查看全部').click()
  await until(async () => (await page.getByRole('article').count()) === 3, 'all again')
  assert.equal(await search.inputValue(), '')
})

test('2.7.9 检测, then 更多 leads to the records of this certificate', async () => {
  await page.goto(`/certificates/${certificate}`)
  await link('检测').click()
  await person.type(page, who.pin)
  await page.getByText('可以正常使用').waitFor({ timeout: 60_000 })
  const lines = page.getByRole('listitem')
  for (const item of ['本机密钥', '证书密钥', '证书链', '吊销状态', '有效期', '试签名', '试解密']) {
    await lines.filter({ hasText: item }).getByRole('img', { name: '正常' }).or(lines.filter({ hasText: item }).getByLabel('正常')).first().waitFor()
  }
  await phone.shot('2.7.9-check', { full: true })
  await link('完成').click()
  await page.getByText(/正常 · .+ 检测/).waitFor()
  await phone.shot('2.7.9-certificate')
  await button('更多').click()
  await page.getByRole('dialog', { name: '更多' }).waitFor()
  await phone.accessible('更多')
  await page.getByRole('dialog').getByRole('link', { name: /使用记录/ }).click()
  await page.waitForURL(/\/usage\?certificate=/)
  await page.getByText('只看所选证书的记录').waitFor()
  await link(/检测/).first().waitFor()
  await proper(phone, 'records of a certificate')
  await phone.shot('2.7.9-records')
  await button('查看全部').click()
  await page.getByText('只看所选证书的记录').waitFor({ state: 'detached' })
  await page.goto(`/certificates/${certificate}`)
  await page.getByRole('tab', { name: '授权交易平台' }).click()
  await phone.shot('2.7.9-platforms')
  await link(/样例招采平台/).click()
  await page.getByText('可用', { exact: true }).first().waitFor()
})

const source = readFileSync(fileURLToPath(new URL('../phone/src/router.ts', import.meta.url)), 'utf8')
const paths = [...source.matchAll(/path: '([^']+)'/g)].map((m) => m[1]).filter((p) => p !== '/:rest(.*)*')
const patterns = paths.map((p) => new RegExp(`^${p.replace(/:[a-z]+/g, '[^/]+')}$`))

/** The page is there, and nothing loads any more. */
async function settled() {
  await page.locator('h1').first().waitFor()
  await page.waitForFunction(() => ![...document.querySelectorAll('[role=status]')].some((e) => e.textContent?.includes('加载中')))
}

test('2.3 no page has a link that leads nowhere or a button that does nothing', async () => {
  const addresses = paths
    .filter((p) => !['/s', '/scan/:id', '/usage/:id'].includes(p)) // without an operation they say so; their own journeys press their buttons
    .map((p) => (p === '/agreements/:document' ? '/agreements/privacy' : p.replace('/orders/:id', '/certificates').replace(':platform', PLATFORM).replace(':code', PLATFORM).replace(':id', certificate)))
  const dead = []
  const visit = async (address) => {
    await page.goto(address)
    await settled()
  }
  page.on('dialog', (d) => void d.accept().catch(() => {}))
  let asked = 0
  page.on('request', () => asked++)
  page.on('filechooser', () => asked++)
  for (const address of new Set(addresses)) {
    await visit(address)
    for (const href of await page.locator('a[href]').evaluateAll((all) => all.map((a) => a.getAttribute('href')))) {
      if (/^(tel|mailto):/.test(href)) continue
      const to = new URL(href, app)
      if (to.origin === new URL(app).origin && !patterns.some((p) => p.test(to.pathname)) && to.pathname !== '/get') dead.push(`${address}: link to ${href}`)
    }
    const pressed = new Set(['返回'])
    for (let n = 0; n < 8; n++) {
      // The check asks for the PIN by itself.
      if ((await page.getByRole('dialog').count()) > 0) {
        await page.keyboard.press('Escape')
        await until(async () => (await page.getByRole('dialog').count()) === 0, 'the sheet to close')
      }
      // One that is on already, or of a field, has nothing to do.
      const name = await page.evaluate((pressed) => {
        for (const b of document.querySelectorAll('main button, header button, [aria-label=操作] button')) {
          const name = (b.getAttribute('aria-label') ?? b.innerText).trim()
          const on = ['aria-pressed', 'aria-selected', 'aria-checked', 'aria-current'].some((a) => b.getAttribute(a) === 'true')
          const busy = ['aria-busy', 'aria-disabled'].some((a) => b.getAttribute(a) === 'true')
          if (!on && !busy && !b.disabled && !b.closest('[aria-hidden=true]') && b.checkVisibility() && !pressed.includes(name)) {
            b.dataset.press = name
            return name
          }
        }
      }, [...pressed])
      if (name === undefined) break
      pressed.add(name)
      const from = page.url()
      await page.evaluate(() => {
        globalThis.changed = 0
        new MutationObserver((all) => (globalThis.changed += all.length)).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
      })
      const before = asked
      await page.locator('[data-press]').first().click({ timeout: 5000 })
      // Something is asked for or shown, or what is wrong stands there already.
      const seen = () => page.evaluate(() => globalThis.changed > 0 || document.querySelector('[aria-invalid=true]') !== null).catch(() => true)
      const moved = await until(async () => asked > before || page.url() !== from || (await seen()), 'an effect', { timeout: 2000 }).catch(() => false)
      if (!moved) dead.push(`${address}: button ${name}`)
      await page.evaluate(() => document.querySelectorAll('[data-press]').forEach((b) => delete b.dataset.press)).catch(() => {})
      if (page.url() !== from || (await page.getByRole('dialog').count()) > 0 || name.startsWith('复制')) await visit(address)
    }
  }
  assert.deepEqual(dead, [])
})

test('2.7.9 a revocation is in the list of certificates and in the list of the CA', async () => {
  await page.goto('/')
  const inForce = Number(/(\d+) 张有效/.exec(await page.getByText(/\d+ 张有效/).innerText())[1])
  const [answer] = await Promise.all([page.waitForResponse((r) => r.url().endsWith(`/app/v1/certificates/${certificate}`) && r.ok()), page.goto(`/certificates/${certificate}`)])
  const { signSerial, certificates } = await answer.json()
  const leaf = Buffer.from(certificates.find((c) => c.use === 'sign').der, 'base64')
  const point = /http:\/\/[\w.:/-]+\.crl/.exec(leaf.toString('latin1'))[0]
  const listed = async () => Buffer.from(await (await fetch(point)).arrayBuffer()).includes(Buffer.from(signSerial, 'hex'))
  assert.equal(await listed(), false, 'in force')

  await link('吊销').click()
  assert.ok(await button('请选择吊销原因').isDisabled())
  await page.getByRole('radio', { name: '手机丢失或密钥可能泄露' }).check()
  await page.getByRole('checkbox', { name: '我已知晓吊销不可恢复' }).check()
  await phone.shot('2.7.9-revoke')
  await button('吊销证书').click()
  await person.type(page, who.pin)
  await page.getByText('证书已吊销', { exact: true }).waitFor({ timeout: 60_000 })
  await until(listed, 'the serial number on the CA’s list', { timeout: 20_000 })
  await page.goto('/certificates?state=revoked')
  await page.getByText('手机丢失或密钥可能泄露').waitFor()
  await page.goto(`/certificates/${certificate}`)
  await page.getByText('吊销原因').waitFor()
  assert.equal(await link('吊销').count(), 0)
  await proper(phone, 'a revoked certificate')
  await phone.shot('2.7.9-revoked')
  await page.goto('/')
  await page.getByText(`${inForce - 1} 张有效`).waitFor()
  await page.goto(`/certificates/${certificate}/revoke`)
  await page.getByText('证书已吊销', { exact: true }).waitFor()
  await page.goto(`/certificates/${certificate}/check`)
  await page.getByText(/需处理/).first().waitFor()
  await proper(phone, 'check of a revoked certificate')
})
