// Every page of the app, in every size and light: it loads, names itself once,
// leads back, fits, and axe finds nothing. The list comes from the router, so a
// new page cannot be forgotten.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { open } from './world.mjs'
import * as person from './person.mjs'
import * as firm from './enterprise.mjs'

const source = readFileSync(fileURLToPath(new URL('../phone/src/router.ts', import.meta.url)), 'utf8')
const paths = [...source.matchAll(/path: '([^']+)'/g)].map((m) => m[1]).filter((p) => p !== '/:rest(.*)*')

const PLATFORM = 'D1100009001'
let world, phone, who, addresses
before(async () => {
  world = await open()
  phone = await world.phone()
  who = person.somebody()
  const certificate = await person.enrol(world, phone, who, PLATFORM)
  const order = await phone.page.evaluate(async () => {
    const link = document.querySelector('a[href^="/orders/"]')
    return link?.getAttribute('href')?.split('/').pop()
  })
  const enterprise = await firm.createByPhone(world, phone, firm.enterprise())
  await firm.actAs(phone, who.name)
  addresses = paths.map((p) => {
    if (p === '/enterprises/applications/:id') return `/enterprises/applications/${enterprise.application}`
    if (/^\/enterprises\/.*:id/.test(p)) return p.replace(':id', enterprise.id)
    if (p === '/scan/:id') return '/scan/D110000900100000000000000000000000000000000'
    if (p === '/usage/:id') return '/usage/unknown'
    if (p === '/orders/:id') return `/orders/${order ?? 'unknown'}`
    if (p === '/agreements/:document') return '/agreements/privacy'
    return p.replace(':platform', PLATFORM).replace('/platforms/:code', `/platforms/${PLATFORM}`).replace('/certificates/:id', `/certificates/${certificate}`)
  })
})
after(() => world.close())

/** The page is there: a heading, and nothing that loads any more. */
async function settled(page) {
  await page.locator('h1').first().waitFor()
  await page.waitForFunction(() => ![...document.querySelectorAll('[role=status]')].some((e) => e.textContent?.includes('加载中')))
}

test('2.3 every page names itself, leads back and fits, in all sizes and lights', async (t) => {
  assert.ok(addresses.length > 45, `${addresses.length} pages`)
  const { page } = phone
  for (const address of addresses) {
    await t.test(address, async () => {
      await page.setViewportSize({ width: 390, height: 844 })
      await page.goto(address)
      await settled(page)
      assert.equal(await page.locator('h1').count(), 1, 'one h1')
      assert.doesNotMatch(await page.locator('body').innerText(), /建设中|undefined|NaN|\[object/)
      const tab = await page.getByRole('navigation', { name: '主导航' }).count()
      if (!tab && !['/login', '/s'].includes(address)) await page.getByRole('button', { name: '返回' }).first().waitFor()
      await phone.accessible('light')
      await phone.dark(() => phone.accessible('dark', { colours: true }))
      for (const width of [360, 430, 1280]) {
        await page.setViewportSize({ width, height: 844 })
        await phone.fits()
      }
      await page.setViewportSize({ width: 360, height: 780 })
      await page.evaluate(() => (document.documentElement.dataset.text = 'huge'))
      await phone.fits()
      await page.evaluate(() => delete document.documentElement.dataset.text)
    })
  }
})
