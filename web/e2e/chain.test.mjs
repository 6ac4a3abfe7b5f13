// The whole person's path in one browser: from the first login to a signed bid
// letter on the demo platform (rows 2.2.a, 2.4.1, 2.7.4, 2.6.2, 2.7.8, 2.8.1, 2.8.2).
import { after, before, test } from 'node:test'
import { open } from './world.mjs'
import * as person from './person.mjs'

const PLATFORM = 'D1100009001'
let world, phone, desk, who
before(async () => {
  world = await open()
  phone = await world.phone()
  who = person.somebody()
})
after(() => world.close())

test('2.2.a the first login by SMS code registers', async () => {
  await phone.page.goto('/')
  await person.signIn(world, phone, who)
})
test('2.4.1 the person proves who he is', () => person.verify(world, phone, who, { live: true }))
test('2.7.4 the PIN is set', () => person.setPIN(world, phone, who))
test('2.6.2 a certificate is bought and paid', () => person.buy(world, phone, PLATFORM))
test('2.7.8 and installed', () => person.install(phone, who))

test('2.8.1 he logs in on a platform by scanning', async () => {
  desk = await world.desktop()
  await person.askLogin(desk)
  await person.scan(world, phone, desk)
  await phone.shot('scan-confirm')
  await person.typeCode(phone, desk)
  await phone.page.getByRole('button', { name: '确认登录' }).click()
  await person.type(phone.page, who.pin)
  await phone.page.getByText('登录成功').waitFor()
  await desk.page.getByRole('heading', { name: '投标函', level: 1 }).waitFor()
})

test('2.8.2 he signs a bid letter', async () => {
  await desk.page.goto('/bid')
  await desk.page.getByRole('button', { name: '扫码签名' }).click()
  await person.scan(world, phone, desk)
  await phone.shot('sign-confirm')
  await phone.page.getByRole('button', { name: '确认签名' }).click()
  await person.type(phone.page, who.pin)
  await phone.page.getByText('签名成功').waitFor()
  await desk.page.getByRole('heading', { name: '签名完成' }).waitFor({ timeout: 15_000 })
})
