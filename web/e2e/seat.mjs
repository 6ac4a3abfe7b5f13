// An officer's computer (运营控制台), as journeys of the console use it.
import { until } from './world.mjs'
import { console_, passwords, totp } from './officer.mjs'

/** A computer of the office, not signed in. */
export async function seat(world, options = {}) {
  const desk = await world.desktop({ base: console_, width: 1440, height: 900, permissions: ['clipboard-write'], ...options })
  // The console answers 401 before a sign-in and refuses as the app's API does; the browser logs it.
  desk.expect(/Failed to load resource: .* status of 4\d\d .*\/console\/v1\//)
  await desk.page.goto('/')
  await desk.page.getByLabel('登录名').waitFor()
  return desk
}

/** Holds a page of the console to what every one has to stand: axe by day and night, no wider than a small screen. */
export async function proper(desk, what = '') {
  const { page } = desk
  const size = page.viewportSize()
  await page.locator('h1').first().waitFor()
  await desk.accessible(what)
  await desk.dark(() => desk.accessible(`${what}, dark`))
  await page.setViewportSize({ width: 1024, height: 768 })
  await desk.fits()
  await page.setViewportSize(size)
}

/** The password that an officer chooses. */
export const passwordOf = (name) => `Journey-2026!${name.length}`
/** The first step of signing in. */
export const typePassword = async ({ page }, name, password) => {
  await page.getByLabel('登录名').fill(name)
  await page.getByLabel('密码', { exact: true }).fill(password)
  await page.getByRole('button', { name: '登录', exact: true }).click()
}

/** An authenticator. Each of its codes serves once; that of the next step is taken early. */
class Authenticator {
  #used = 0
  constructor(secret) {
    this.secret = secret
  }

  async code() {
    const step = 30_000
    const next = await until(() => {
      const now = Math.floor(Date.now() / step)
      const free = Math.max(this.#used + 1, now)
      return free <= now + 1 && free
    }, 'a step whose code is not used', { timeout: 40_000 })
    this.#used = next
    return totp(this.secret, next * step)
  }
}

const authenticators = {}

/** The first sign-in: the dealt password gives way to one's own, an authenticator becomes the second factor. */
export async function begin(desk, name, { shots = false, dealt = passwords[name] } = {}) {
  const { page } = desk
  await typePassword(desk, name, dealt)
  await page.getByText('请先设置自己的密码').waitFor()
  if (shots) await proper(desk, 'new password')
  await page.getByLabel('新密码', { exact: true }).fill(passwordOf(name))
  await page.getByLabel('再次输入新密码').fill(passwordOf(name))
  await page.getByRole('button', { name: '设置密码，下一步' }).click()
  await page.getByText('请设置第二步验证').waitFor()
  if (shots) await proper(desk, 'enrol')
  await page.getByRole('button', { name: '设置' }).first().click()
  const code = page.getByRole('img', { name: '动态口令的二维码' })
  await until(() => code.evaluate((img) => img.complete && img.naturalWidth > 0), 'the QR code of the authenticator')
  if (shots) await proper(desk, 'authenticator')
  authenticators[name] = new Authenticator(await page.locator('.secret').innerText())
  await page.getByLabel('输入验证器上的 6 位数字').fill(await authenticators[name].code())
  await page.getByRole('button', { name: '完成设置' }).click()
  await page.getByRole('navigation', { name: '功能' }).waitFor()
}

/** The second factor of somebody who has one; six digits go by themselves. */
export async function prove({ page }, name) {
  await page.getByLabel('验证器上的 6 位动态口令').pressSequentially(await authenticators[name].code())
}
