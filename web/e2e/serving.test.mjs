// What the app's origin promises whatever stands on its pages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import { app, open, sandbox, until } from './world.mjs'

let world
before(async () => (world = await open()))
after(() => world.close())

test('the first screen runs under its policy, alone and isolated', async () => {
  const phone = await world.phone()
  await phone.page.goto('/')
  await phone.page.locator('h1').first().waitFor()
  assert.equal(await phone.page.evaluate(() => crossOriginIsolated), true)
  await phone.fits()
  await phone.shot('first-screen')
  const inline = await phone.page.evaluate(() => {
    const before = globalThis.twtInline
    const s = document.createElement('script')
    try {
      s.textContent = 'globalThis.twtInline = true'
      document.head.append(s)
    } catch {
      /* Trusted Types refuse it earlier */
    }
    return [before, globalThis.twtInline]
  })
  phone.expect(/Content Security Policy|TrustedScript|require-trusted-types-for/)
  assert.deepEqual(inline, [undefined, undefined])
})

test('the camera shows what is held before it', async () => {
  const phone = await world.phone()
  await phone.page.goto('/')
  await world.camera.face(phone.page)
  const colours = await phone.page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true })
    const video = document.createElement('video')
    video.srcObject = stream
    video.muted = true
    await video.play()
    const canvas = new OffscreenCanvas(640, 480)
    const g = canvas.getContext('2d', { willReadFrequently: true })
    g.drawImage(video, 0, 0, 640, 480)
    stream.getTracks().forEach((t) => t.stop())
    const at = (x, y) => [...g.getImageData(x, y, 1, 1).data].slice(0, 3)
    return { skin: at(320, 260), wall: at(20, 20) }
  })
  assert.ok(colours.skin[0] > colours.skin[2] + 30, `skin is ${colours.skin}`)
  assert.ok(Math.abs(colours.wall[0] - 0xae) < 16, `the wall is ${colours.wall}`)
})

test('an address that no page has is told so, and a missing file is no page', async () => {
  const phone = await world.phone()
  await phone.page.goto('/nowhere/at/all')
  await phone.page.locator('h1, h2').first().waitFor()
  const res = await fetch(`${app}/assets/gone-00000000.js`)
  assert.equal(res.status, 404)
  assert.doesNotMatch(await res.text(), /</)
})

test('the service worker keeps pages and no answer of the API', async () => {
  const phone = await world.phone({ serviceWorkers: 'allow' })
  await phone.page.goto('/')
  await phone.page.locator('h1').first().waitFor()
  const kept = await until(
    () =>
      phone.page.evaluate(async () => {
        if (!(await navigator.serviceWorker.getRegistration())?.active) return undefined
        const urls = []
        for (const name of await caches.keys()) for (const r of await (await caches.open(name)).keys()) urls.push(new URL(r.url).pathname)
        return urls.length ? urls : undefined
      }),
    'a service worker with something in its cache',
    { timeout: 20_000 },
  )
  assert.ok(kept.some((p) => p === '/index.html'))
  assert.deepEqual(
    kept.filter((p) => p.startsWith('/app/') || p.startsWith('/notify/') || p.endsWith('.wasm')),
    [],
  )
})

test('the sandbox panel runs under a policy of its own, on its own origin', async () => {
  const desk = await world.desktop({ base: sandbox })
  await desk.page.goto('/')
  await desk.page.locator('h1').first().waitFor()
  await desk.accessible()
  await desk.fits()
  const csp = (await fetch(sandbox, { headers: { accept: 'text/html' } })).headers.get('content-security-policy')
  assert.match(csp, /script-src 'self';/)
  assert.match(csp, /frame-ancestors 'none'/)
})

test('what a camera is shown, a reader can read', async () => {
  const desk = await world.desktop()
  await desk.page.goto('/')
  await desk.page.getByRole('button', { name: '获取登录二维码' }).click()
  await world.present(desk)
  prepareZXingModule({ overrides: { wasmBinary: readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm')).buffer } })
  const [found] = await readBarcodes(world.camera.picture(), { formats: ['QRCode'] })
  assert.ok(found?.text.startsWith(`${app}/s#k=`), `read ${found?.text}`)
})
