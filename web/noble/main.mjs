/**
 * Runs the phone for test/noble: one JSON command a line on standard input, one
 * JSON answer a line on standard output.
 */
import { createInterface } from 'node:readline'
import { Phone } from './phone.mjs'

const phone = new Phone(process.argv[2], process.argv[3])
const commands = {
  register: (c) => phone.register(c.number),
  realname: (c) => phone.realname(c.name, c.idNumber, new Uint8Array(Buffer.from(c.video, 'base64'))),
  buy: async (c) => ({ certificate: await phone.buy(c.institution, c.years, c.platform) }),
  setPIN: (c) => phone.setPIN(c.pin),
  install: (c) => phone.install(c.certificate, c.pin),
  changePIN: (c) => phone.changePIN(c.old, c.pin),
  scan: (c) => phone.scan(c.qr),
  confirm: (c) => phone.confirm(c.scan, c.certificate, c.code),
  execute: async (c) => void (await phone.operate(c.opID, { pin: c.pin })),
}

for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line)
  let answer
  try {
    answer = { value: (await commands[c.do](c)) ?? {} }
  } catch (e) {
    answer = { error: e.message, code: e.code ?? '', remaining: e.remaining ?? 0 }
  }
  console.log(JSON.stringify(answer))
}
