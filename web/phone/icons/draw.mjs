// Draws the app's icons from public/icons/icon.svg: `node icons/draw.mjs` in
// web/phone, after a change of the logo. It needs Chromium (TWT_CHROMIUM, or
// /usr/bin/chromium); the pictures are committed, so a build does not.
import { readFile, writeFile } from 'node:fs/promises'
import { chromium } from 'playwright-core'

const folder = new URL('../public/icons/', import.meta.url)
const round = await readFile(new URL('icon.svg', folder), 'utf8')
// Systems that cut the shape themselves get the colour to the edge, and the
// mark within the circle that no cut touches (four fifths of the side).
const square = round.replace(/ rx="\d+"/, '')
const safe = square.replace('<path ', '<path transform="translate(32 32) scale(.86) translate(-32 -32)" ')

const pictures = [
  ['icon-192.png', round, 192],
  ['icon-512.png', round, 512],
  ['maskable-192.png', safe, 192],
  ['maskable-512.png', safe, 512],
  ['icon-180.png', square, 180],
]

const browser = await chromium.launch({ executablePath: process.env.TWT_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
const page = await browser.newPage()
for (const [name, svg, side] of pictures) {
  await page.setViewportSize({ width: side, height: side })
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${side}px;height:${side}px}</style>${svg}`)
  await writeFile(new URL(name, folder), await page.screenshot({ omitBackground: true }))
}
await browser.close()
