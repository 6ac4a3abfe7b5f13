// What every screen has to stand, and what several journeys of scanning do.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import { app, until } from './world.mjs'
import * as person from './person.mjs'

/** Ends once no colour is on its way to another. */
function still(page) {
  return page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished.catch(() => undefined))))
}

/** Holds a phone's screen to what every one has to stand: axe by day and night, 360 px, the largest text. */
export async function proper(visitor, what = '') {
  const { page } = visitor
  await page.locator('h1').first().waitFor() // its code may still be on the way
  await visitor.accessible(what)
  await visitor.dark(async () => {
    await still(page)
    await visitor.accessible(`${what}, dark`, { colours: true })
  })
  const size = page.viewportSize()
  await page.setViewportSize({ ...size, width: 360 })
  await visitor.fits()
  const before = await page.evaluate(() => {
    const was = document.documentElement.dataset.text
    document.documentElement.dataset.text = 'huge'
    return was
  })
  await visitor.fits()
  await page.evaluate((was) => {
    if (was === undefined) delete document.documentElement.dataset.text
    else document.documentElement.dataset.text = was
  }, before)
  await page.setViewportSize(size)
}

/** The same for a page of the platform: wide and narrow, by day and night. */
export async function properDesk(desk, what = '') {
  const { page } = desk
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 })
    await desk.fits()
    await desk.accessible(`${what}, ${width}`)
    await desk.dark(async () => {
      await still(page)
      await desk.accessible(`${what}, ${width}, dark`, { colours: true })
    })
  }
  await page.setViewportSize({ width: 1280, height: 800 })
}

/** Types a PIN on the keyboard, as one does at a computer. */
export async function key(page, digits) {
  await page.getByRole('group', { name: /数字键盘/ }).waitFor()
  await page.keyboard.type(digits)
}

/** Ends once no worker runs in the page: what had the PIN is gone. */
export function noWorker(page) {
  return until(() => page.workers().length === 0, 'the end of the worker that had the PIN')
}

let reader

/** Reads the code that the platform's page shows. */
export async function readCode(desk) {
  reader ??= prepareZXingModule({
    overrides: { wasmBinary: readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm')).buffer },
    fireImmediately: true,
  })
  await reader
  const code = desk.page.locator('#code')
  await until(() => code.evaluate((img) => img.complete && img.naturalWidth > 0), 'a QR code on the platform')
  const [found] = await readBarcodes(await code.screenshot(), { formats: ['QRCode'] })
  assert.ok(found?.text.startsWith(`${app}/s#k=`), `read ${found?.text}`)
  return found.text
}

/**
 * Opens on the phone what the platform's page shows, by a pasted link: quicker
 * than the camera, which one journey takes. A code lives 15 s; as a person would,
 * it takes the next one after a dead one.
 */
export async function openCode(visitor, desk) {
  const { page } = visitor
  await page.goto('/scan')
  await page.getByRole('button', { name: '粘贴链接' }).click()
  const dialog = page.getByRole('dialog')
  const told = dialog.getByRole('alert')
  for (let i = 0; i < 5; i++) {
    await page.getByLabel('二维码链接').fill(await readCode(desk))
    await dialog.getByRole('button', { name: '确定' }).click()
    const dead = await Promise.race([
      page.waitForURL(/\/scan\/[^/]+$/).then(() => false, () => false),
      told.filter({ hasText: '已过期' }).waitFor().then(() => true, () => false),
      page.getByRole('heading', { name: '请先完成个人实名' }).waitFor().then(() => false, () => false),
    ])
    if (!dead) break
    await page.getByLabel('二维码链接').fill('')
  }
}

/** A login asked for at the platform and opened on the phone. */
export async function openLogin(world, visitor, desk) {
  world.camera.nothing() // or it takes the code too
  await person.askLogin(desk)
  await openCode(visitor, desk)
  await visitor.page.waitForURL(/\/scan\/[^/]+$/)
}

/** What the platform's page says of the scan. */
export function phase(desk, wanted) {
  return desk.page.locator(`#scan[data-phase=${wanted}]`).waitFor()
}
