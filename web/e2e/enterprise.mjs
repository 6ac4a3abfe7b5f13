// An enterprise's steps on the phone, as several journeys take them. Names and codes
// are made up: region 999999 does not exist.
import { randomInt } from 'node:crypto'
import { until } from './world.mjs'
import { somebody } from './person.mjs'

const ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY'

/** A unified social credit code whose check character holds (GB 32100). */
export function code() {
  const body = `91999999MA${Array.from({ length: 7 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')}`
  const sum = [...body].reduce((n, c, i) => n + ALPHABET.indexOf(c) * (3 ** i % 31), 0)
  return body + ALPHABET[(31 - (sum % 31)) % 31]
}

/** An enterprise that does not exist yet, with its legal representative. */
export function enterprise({ name = '样例测试科技有限公司', legal = '测试法人' } = {}) {
  return { name, code: code(), legal: somebody({ name: legal }) }
}

const drawn = new Map()

/** A picture as a camera takes one, drawn by the browser: sharp, bright, of the size of a card. */
export function picture(visitor, words, how = {}) {
  const key = JSON.stringify([words, how])
  if (!drawn.has(key)) drawn.set(key, draw(visitor, words, how))
  return drawn.get(key)
}

async function draw(visitor, words, { width = 1200, height = 760, dark = false, blur = false, type = 'image/jpeg' }) {
  const easel = await visitor.context.browser().newPage()
  try {
    const base64 = await easel.evaluate(
      async ({ words, width, height, dark, blur, type }) => {
        const canvas = new OffscreenCanvas(width, height)
        const g = canvas.getContext('2d')
        g.fillStyle = dark ? '#050505' : '#e8eef4'
        g.fillRect(0, 0, width, height)
        if (blur) g.filter = 'blur(18px)'
        g.fillStyle = dark ? '#111' : '#22303f'
        g.font = '48px sans-serif'
        for (let y = 90; y < height - 40; y += 80) g.fillText(`${words} ${y} 样例 SPECIMEN`, 60, y)
        for (let i = 0; i < 24; i++) g.fillRect(60 + i * 44, height - 60, 22, 30)
        const bytes = new Uint8Array(await (await canvas.convertToBlob({ type, quality: 0.9 })).arrayBuffer())
        let text = ''
        for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
        return btoa(text)
      },
      { words, width, height, dark, blur, type },
    )
    return { name: `${words}.${type === 'image/png' ? 'png' : 'jpg'}`, mimeType: type, buffer: Buffer.from(base64, 'base64') }
  } finally {
    await easel.close()
  }
}

/** Puts a picture into a field as the album would. */
export function put({ page }, label, file) {
  return page.getByLabel(`从相册选择${label}`).setInputFiles(file)
}

/** 企业信息: the four elements and both sides of the ID card, up to its button. */
export async function fillFacts(visitor, firm) {
  const { page } = visitor
  await page.getByLabel('企业名称').fill(firm.name)
  await page.getByLabel('统一社会信用代码').fill(firm.code)
  await page.getByLabel('法定代表人姓名').fill(firm.legal.name)
  await page.getByLabel('法定代表人身份证号').fill(firm.legal.idNumber)
  await put(visitor, '人像面', await picture(visitor, '人像面'))
  await put(visitor, '国徽面', await picture(visitor, '国徽面'))
  await page.getByRole('checkbox').check()
}

/** From 查找企业 to 法人核验: nobody has it, so it is created. */
export async function begin(visitor, firm) {
  const { page } = visitor
  await page.goto('/enterprises/find')
  await page.getByRole('searchbox', { name: '查找企业' }).fill(firm.name)
  await page.getByText('没有找到已实名的企业').waitFor()
  await page.getByRole('link', { name: '创建企业' }).click()
  await fillFacts(visitor, firm)
  await page.getByRole('button', { name: '下一步' }).click()
  await page.getByText('选择验证方式').waitFor()
}

/** An SMS code for the legal representative, typed. */
export async function legalCode(world, { page }, phone, label = '短信验证码') {
  await page.getByRole('button', { name: '获取验证码' }).click()
  await page.getByLabel(label).fill(await world.lastCode(phone))
}

/** 企业实名 by the legal representative's phone; the creator becomes its administrator. Gives its id and the application's. */
export async function createByPhone(world, visitor, firm) {
  const { page } = visitor
  await begin(visitor, firm)
  await page.getByLabel('法定代表人手机号', { exact: true }).fill(firm.legal.phone)
  await legalCode(world, visitor, firm.legal.phone)
  await page.getByRole('button', { name: '提交验证' }).click()
  await page.getByText('企业实名成功').waitFor()
  const application = page.url().split('/').pop()
  await page.getByRole('button', { name: '进入企业' }).click()
  await page.getByText('企业 · 管理员').waitFor()
  const id = await until(() => page.evaluate(() => JSON.parse(localStorage.getItem('twt-identity') ?? 'null')?.enterprise), 'the identity of the enterprise')
  return { id, application }
}

/** 切换身份 on the first screen, to a name. */
export async function actAs({ page }, name) {
  await page.goto('/')
  await page.getByRole('button', { name: '切换身份' }).click()
  await page.getByRole('dialog').getByRole('button', { name }).click()
  await page.getByRole('heading', { level: 1, name }).waitFor()
}
