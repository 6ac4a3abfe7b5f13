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
  await visitor.accessible(what)
  await visitor.dark(async () => {
    await still(page)
    await visitor.accessible(`${what}, dark`)
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
      await desk.accessible(`${what}, ${width}, dark`)
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

/** Reads the code that the platform's page shows. */
export async function readCode(world, desk) {
  prepareZXingModule({ overrides: { wasmBinary: readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm')).buffer } })
  await world.present(desk)
  const [found] = await readBarcodes(world.camera.picture(), { formats: ['QRCode'] })
  assert.ok(found?.text.startsWith(`${app}/s#k=`), `read ${found?.text}`)
  return found.text
}

/** Opens a scan by its pasted link, which is quicker than the camera. */
export async function paste(visitor, text) {
  const { page } = visitor
  if (new URL(page.url()).pathname !== '/scan') await page.goto('/scan')
  await page.getByRole('button', { name: '粘贴链接' }).click()
  await page.getByLabel('二维码链接').fill(text)
  await page.getByRole('button', { name: '确定' }).click()
}

/** A login asked for at the platform and opened on the phone. */
export async function openLogin(world, visitor, desk) {
  await person.askLogin(desk)
  await paste(visitor, await readCode(world, desk))
  await visitor.page.waitForURL(/\/scan\/[^/]+$/)
}

/** What the platform's page says of the scan. */
export function phase(desk, wanted) {
  return desk.page.locator(`#scan[data-phase=${wanted}]`).waitFor()
}
