// The install page (2.1.a): a code on a computer, the steps on a phone.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import { app, open } from './world.mjs'

let world
before(async () => (world = await open()))
after(() => world.close())

test('2.1.a a computer shows the code of this very page', async () => {
  for (const [width, dark] of [[1440, false], [1280, true], [960, false], [480, false]]) {
    const desk = await world.desktop({ base: app, width, dark })
    await desk.page.goto('/get')
    const code = desk.page.getByRole('img', { name: '安装天威通的二维码' })
    await code.waitFor()
    await desk.page.locator('#hotline:not(:empty)').waitFor()
    await desk.accessible(`${width}`)
    await desk.fits()
    if (width !== 1440) continue
    await desk.shot('2.1.a-install-desktop')
    await world.camera.show(desk.page, code)
    prepareZXingModule({ overrides: { wasmBinary: readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm')).buffer } })
    const [found] = await readBarcodes(world.camera.picture(), { formats: ['QRCode'] })
    assert.equal(found?.text, `${app}/get`)
  }
})

const agents = {
  ios: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
  android: 'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
  inside: 'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50',
}

/** Opens the page on a phone that says it is another one. */
async function visit(agent, options = {}) {
  const phone = await world.phone(options)
  await phone.page.addInitScript((a) => Object.defineProperty(navigator, 'userAgent', { get: () => a }), agents[agent])
  await phone.page.goto('/get')
  await phone.page.locator('html[data-way]').waitFor()
  return phone
}

test('2.1.a each phone is shown its own steps', async () => {
  for (const [agent, step] of [['ios', '添加到主屏幕'], ['android', '安装应用'], ['inside', '在浏览器打开']]) {
    const phone = await visit(agent, { width: agent === 'ios' ? 390 : 360, dark: agent === 'android' })
    assert.equal(await phone.page.getByRole('img', { name: '安装天威通的二维码' }).isVisible(), false)
    await phone.page.getByRole('button', { name: '立即安装' }).click()
    await phone.page.locator('#state:not(:empty)').waitFor()
    assert.equal(await phone.page.locator(`[data-way=${agent}]:not(html)`).isVisible(), true)
    assert.match(await phone.page.locator('#steps').innerText(), new RegExp(step))
    assert.equal(await phone.page.locator('#steps [data-way]:visible').count(), 1)
    await phone.accessible(agent)
    await phone.fits()
    await phone.page.emulateMedia({ colorScheme: 'light' })
    await phone.page.locator('#steps').evaluate((e) => scrollTo(0, e.getBoundingClientRect().bottom + scrollY - innerHeight + 16))
    await phone.shot(`2.1.a-install-${agent}`)
  }
})

test("2.1.a a browser that can install asks at the button's press, once", async () => {
  const phone = await visit('android')
  await phone.page.evaluate(() => {
    const e = new Event('beforeinstallprompt', { cancelable: true })
    globalThis.asked = 0
    e.prompt = async () => void globalThis.asked++
    e.userChoice = Promise.resolve({ outcome: 'dismissed' })
    dispatchEvent(e)
    globalThis.kept = e.defaultPrevented
  })
  const install = phone.page.getByRole('button', { name: '立即安装' })
  await install.click()
  await phone.page.getByText('没有安装').waitFor()
  await install.click()
  await phone.page.getByText('请按下面的方法').waitFor()
  assert.deepEqual(await phone.page.evaluate(() => [globalThis.asked, globalThis.kept]), [1, true])
})

test('2.1.a what the page names for installing is there', async () => {
  const manifest = await (await fetch(`${app}/manifest.webmanifest`)).json()
  assert.equal(manifest.name, '天威通')
  for (const icon of manifest.icons) {
    const res = await fetch(new URL(icon.src, app))
    assert.equal(res.status, 200, icon.src)
    assert.equal(res.headers.get('content-type'), icon.type, icon.src)
  }
  for (const purpose of ['any', 'maskable']) assert.ok(manifest.icons.some((i) => i.purpose === purpose && i.sizes === '512x512'))
})

test('2.1.a the browser itself finds nothing that would keep it from installing', async () => {
  const phone = await world.phone({ serviceWorkers: 'allow' })
  await phone.page.goto('/')
  await phone.page.locator('h1').first().waitFor()
  await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  const devtools = await phone.context.newCDPSession(phone.page)
  const { url, errors, data } = await devtools.send('Page.getAppManifest')
  assert.equal(url, `${app}/manifest.webmanifest`)
  assert.deepEqual(errors, [])
  assert.equal(JSON.parse(data).display, 'standalone')
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors')
  // A context of a test is a private window, in which nothing can be installed.
  assert.deepEqual(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito'), [])
})
