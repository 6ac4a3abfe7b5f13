// The world of a journey: a browser with a camera, the house's sandbox and the
// demo platform. `go test ./test/browser` starts the house and runs each
// *.test.mjs beside this file with the addresses in the environment.
//
//   const world = await open()
//   const phone = await world.phone()          // a context at 390×844, watched
//   await phone.page.goto('/')
//   const code = await world.lastCode('13900000001')
//   await phone.shot('home')                   // into TWT_SHOTS, if it is set
//   await phone.accessible()                   // axe finds nothing
//   await world.close()                        // fails if a page complained
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const need = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the journeys by go test ./test/browser`)
  return value
}

/** Addresses: the app, the sandbox's door, the demo platform's site and another platform's. */
export const app = need('TWT_APP')
export const sandbox = need('TWT_SANDBOX')
export const platform = need('TWT_PLATFORM')
export const otherPlatform = need('TWT_OTHER_PLATFORM')
const shots = process.env.TWT_SHOTS

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Waits until look() gives something true, and gives it; fails with what after the time. */
export async function until(look, what, { timeout = 10_000, every = 50 } = {}) {
  const end = Date.now() + timeout
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${timeout / 1000} s in vain: ${what}`)
    await pause(every)
  }
}

/** Opens a browser. With { show: true } one can watch it. */
export async function open({ show = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'twt-browser-'))
  const camera = new Camera(join(folder, 'camera.y4m'))
  const browser = await chromium.launch({
    executablePath: process.env.TWT_CHROMIUM ?? '/usr/bin/chromium',
    headless: !show,
    env: { ...process.env, FONTCONFIG_FILE: here('fonts.conf'), LANG: 'zh_CN.UTF-8' },
    args: [
      '--no-sandbox', // CI runs as root
      '--disable-dev-shm-usage',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-video-capture=${camera.path}`, // read anew whenever a camera opens
    ],
  })
  return new World(browser, camera, folder)
}

class World {
  #browser
  #folder
  #visitors = []
  #read = new Map() // how many messages of a phone were looked at

  constructor(browser, camera, folder) {
    this.#browser = browser
    this.#folder = folder
    this.camera = camera
  }

  /** A phone: its own storage, touch, camera allowed. options.dark, options.width, options.height; slides: false leaves captchas alone. */
  phone(options = {}) {
    return this.#visit({ width: 390, height: 844, touch: true, base: app, permissions: ['camera', 'clipboard-write'], ...options })
  }

  /** A computer in front of the demo platform; base: sandbox for the panel. */
  desktop(options = {}) {
    return this.#visit({ width: 1280, height: 800, touch: false, base: platform, permissions: [], ...options })
  }

  async #visit({ width, height, touch, base, permissions, dark = false, serviceWorkers = 'block', bypassCSP = false, reducedMotion = 'reduce', allow = [], slides = true }) {
    const context = await this.#browser.newContext({
      baseURL: base,
      viewport: { width, height },
      deviceScaleFactor: 2,
      hasTouch: touch,
      isMobile: touch,
      locale: 'zh-CN',
      timezoneId: 'Asia/Shanghai',
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion,
      serviceWorkers,
      bypassCSP,
      permissions,
    })
    context.setDefaultTimeout(15_000)
    const visitor = new Visitor(context, await context.newPage(), base, allow)
    if (slides) visitor.slides()
    this.#visitors.push(visitor)
    return visitor
  }

  /** The newest SMS code of a number that was not given out before; waits for it. */
  async lastCode(phone) {
    const message = await this.lastMessage(phone, (m) => m.params?.code)
    return message.params.code
  }

  /** The newest SMS to a number, of those that pass; each is given out once. */
  async lastMessage(phone, passes = () => true) {
    return until(async () => {
      const inbox = await call('GET', `/sandbox/sms?phone=${encodeURIComponent(phone)}`) // newest first
      const fresh = inbox.slice(0, inbox.length - (this.#read.get(phone) ?? 0)).find(passes)
      if (fresh) this.#read.set(phone, inbox.length)
      return fresh
    }, `an SMS to ${phone}`)
  }

  /** Holds the code on the demo platform's page before the camera; it lives 15 s. */
  async present(desk) {
    const code = desk.page.locator('#code')
    await until(() => code.evaluate((img) => img.complete && img.naturalWidth > 0), 'a QR code on the platform')
    await this.camera.show(desk.page, code)
  }

  /** What becomes of the next identity check: approve, refuse or timeout. */
  nextCheck(outcome) {
    return call('POST', '/sandbox/idcheck/next', { outcome })
  }

  /** Moves the house's clock forward. The browser's stays: the app corrects its own. */
  advance({ days = 0, hours = 0, minutes = 0, seconds = 0 }) {
    return call('POST', '/sandbox/clock', { advanceSeconds: ((days * 24 + hours) * 60 + minutes) * 60 + seconds })
  }

  /** Presses a button of the cashier whose page is at url: pay, fail, pay-twice, late, silent. */
  pay(url, button = 'pay') {
    return call('POST', `${url.replace(/[?#].*$/, '')}/${button}`, {})
  }

  /** Ends all; fails if any page complained. */
  async close() {
    try {
      for (const v of this.#visitors) await v.context.close()
    } finally {
      await this.#browser.close()
      rmSync(this.#folder, { recursive: true, force: true })
    }
    for (const v of this.#visitors) v.calm()
  }
}

async function call(method, path, body) {
  const url = new URL(path, sandbox)
  const res = await fetch(url, {
    method,
    headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  })
  const text = await res.text()
  if (!res.ok) throw new Error(`${method} ${url.pathname}: ${res.status} ${text}`)
  return text && res.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined
}

/** Somebody with a page. What the page complains of is kept, and close() fails for it. */
class Visitor {
  #complaints = []
  #expected = []

  constructor(context, page, base, allow) {
    this.context = context
    this.page = page
    const origins = [base, ...allow].map((u) => new URL(u).origin)
    context.on('request', (r) => {
      const u = new URL(r.url())
      if (r.isNavigationRequest() && [app, sandbox, platform, otherPlatform].some((a) => new URL(a).origin === u.origin)) return
      if (['http:', 'https:', 'ws:', 'wss:'].includes(u.protocol) && !origins.includes(u.origin)) {
        const from = new URL(r.frame().url() || base).origin
        if (u.origin !== from) this.#complaints.push(`request to another origin: ${r.method()} ${u.origin}${u.pathname}`)
      }
    })
    context.on('console', (m) => {
      if (m.type() !== 'error' && m.type() !== 'warning') return
      const text = m.text()
      // A refusal of the API is business; the browser logs its status anyway.
      if (/^Failed to load resource: .* status of (4\d\d|503)/.test(text) && /\/app\/v1\//.test(m.location().url)) return
      if (/Service Worker registration blocked by Playwright/.test(text)) return
      this.#complaints.push(`console ${m.type()}: ${text} (${m.location().url})`)
    })
    context.on('weberror', (e) => this.#complaints.push(`uncaught: ${e.error()?.stack ?? e.error()}`))
  }

  /** Solves every captcha (滑块验证) that comes up, as no visitor can: the sandbox tells where the piece belongs. */
  slides() {
    this.context.on('response', (r) => {
      if (r.request().method() === 'POST' && r.ok() && new URL(r.url()).pathname === '/app/v1/captcha') this.slide(r).catch(() => undefined) // the page may be gone
    })
  }

  /** Slides the piece of a captcha's answer to its place, off by some pixels, by the keyboard. */
  async slide(response, off = 0) {
    const { id } = await response.json()
    const { x } = await call('GET', `/sandbox/captcha/${id}`)
    const slider = response.frame().page().locator('[role=slider][aria-disabled=false]')
    for (let at = 0; at + 2 <= x + off; at += x + off - at >= 20 ? 20 : 2) await slider.press(x + off - at >= 20 ? 'PageUp' : 'ArrowRight')
    await slider.press('Enter')
  }

  /** Says that a complaint which matches is what the journey is about. */
  expect(pattern) {
    this.#expected.push(pattern)
  }

  /** Fails if a page complained: errors and warnings of the console, other origins, uncaught errors. */
  calm() {
    assert.deepEqual(
      this.#complaints.filter((c) => !this.#expected.some((p) => p.test(c))),
      [],
    )
  }

  /** Fails if axe finds anything on the page; colours: looks at nothing else, for a page seen in its other theme. */
  async accessible(what = '', { colours = false } = {}) {
    if (!(await this.page.evaluate(() => 'axe' in globalThis))) await this.page.evaluate(axe)
    const found = await this.page.evaluate(async (only) => {
      // A colour on its way from one theme to the other has no contrast to judge.
      await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))
      await Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished))
      const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], ...(only && { runOnly: only }) })
      return violations.map((v) => `${v.id}: ${v.help} — ${v.nodes.map((n) => `${n.target.join(' ')} (${n.any[0]?.message ?? n.failureSummary})`).join(', ')}`)
    }, colours ? ['color-contrast', 'link-in-text-block'] : null)
    assert.deepEqual(found, [], `axe at ${new URL(this.page.url()).pathname} ${what}`)
  }

  /** Takes a picture of the viewport (full: of the whole page) for docs/manual. */
  async shot(name, { full = false } = {}) {
    if (!shots) return
    mkdirSync(shots, { recursive: true })
    await this.page.evaluate(() => document.fonts.ready)
    await this.page.screenshot({ path: join(shots, `${name}.png`), fullPage: full, animations: 'disabled', caret: 'hide' })
  }

  /** Shows the page in the other theme while f runs. */
  async dark(f) {
    await this.page.emulateMedia({ colorScheme: 'dark' })
    try {
      return await f()
    } finally {
      await this.page.emulateMedia({ colorScheme: 'light' })
    }
  }

  /** Fails if anything is wider than the window. */
  async fits() {
    const over = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.ok(over <= 0, `${new URL(this.page.url()).pathname} is ${over} px wider than the window`)
  }
}

const width = 640
const height = 480

/**
 * The fake camera is a file of raw frames that the browser opens with the
 * camera; what was shown last is seen. Nothing here needs ffmpeg.
 */
class Camera {
  /** The name of what is shown; a file that is written while a camera opens it shows nothing. */
  #shown = ''

  constructor(path) {
    this.path = path
    const grey = Buffer.alloc((width * height * 3) / 2, 128)
    this.#write([grey])
  }

  /** The first frame in grey, as ImageData: what a reader would be given. */
  picture() {
    const file = readFileSync(this.path)
    const start = file.indexOf('FRAME\n') + 6
    const data = new Uint8ClampedArray(width * height * 4)
    for (let i = 0; i < width * height; i++) data.set([file[start + i], file[start + i], file[start + i], 255], i * 4)
    return { data, width, height, colorSpace: 'srgb' }
  }

  #write(frames) {
    const head = Buffer.from(`YUV4MPEG2 W${width} H${height} F15:1 Ip A1:1 C420jpeg\n`)
    writeFileSync(this.path, Buffer.concat([head, ...frames.flatMap((f) => [Buffer.from('FRAME\n'), f])]))
  }

  /** Holds an element of a page (a QR code) before the camera, a little askew. */
  async show(page, locator) {
    this.#shown = 'code'
    await this.#draw(page, await locator.screenshot(), 'image/png', { side: 300, turn: 0.1 })
  }

  /** Puts the drawn face before the camera; it is no person's. */
  async face(page) {
    if (this.#shown === 'face') return
    this.#shown = 'face'
    await this.#draw(page, readFileSync(here('face.svg')), 'image/svg+xml', {})
  }

  /** Nothing but grey. */
  nothing() {
    this.#shown = ''
    this.#write([Buffer.alloc((width * height * 3) / 2, 128)])
  }

  async #draw(page, picture, kind, { side, turn = 0 }) {
    // An empty page of the same browser draws: the app's policy allows it no such thing.
    const easel = await page.context().browser().newPage()
    try {
      const frames = await easel.evaluate(
        async ({ url, side, turn, width, height }) => {
          const img = new Image()
          img.src = url
          await img.decode()
          const canvas = new OffscreenCanvas(width, height)
          const g = canvas.getContext('2d', { willReadFrequently: true })
          const out = []
          for (const sway of [-3, 0, 3]) {
            g.resetTransform()
            g.fillStyle = '#808080'
            g.fillRect(0, 0, width, height)
            if (side) {
              g.translate(width / 2 + sway, height / 2)
              g.rotate(turn)
              g.drawImage(img, -side / 2, -side / 2, side, side)
            } else {
              g.drawImage(img, sway, 0, width, height)
            }
            const rgba = g.getImageData(0, 0, width, height).data
            const yuv = new Uint8Array((width * height * 3) / 2)
            const u = width * height
            const v = u + u / 4
            for (let y = 0; y < height; y++) {
              for (let x = 0; x < width; x++) {
                const i = (y * width + x) * 4
                const [r, gr, b] = [rgba[i], rgba[i + 1], rgba[i + 2]]
                yuv[y * width + x] = 0.299 * r + 0.587 * gr + 0.114 * b
                if (y % 2 === 0 && x % 2 === 0) {
                  const c = (y / 2) * (width / 2) + x / 2
                  yuv[u + c] = 128 - 0.169 * r - 0.331 * gr + 0.5 * b
                  yuv[v + c] = 128 + 0.5 * r - 0.419 * gr - 0.081 * b
                }
              }
            }
            let text = ''
            for (let i = 0; i < yuv.length; i += 0x8000) text += String.fromCharCode(...yuv.subarray(i, i + 0x8000))
            out.push(btoa(text))
          }
          return out
        },
        { url: `data:${kind};base64,${picture.toString('base64')}`, side, turn, width, height },
      )
      // Each picture stays for a third of a second.
      this.#write(frames.map((f) => Buffer.from(f, 'base64')).flatMap((f) => [f, f, f, f, f]))
    } finally {
      await easel.close()
    }
  }
}
