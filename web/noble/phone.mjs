/** A whole phone on the second implementation: the same routes and bytes as package phone's. */
import { createHash, generateKeyPairSync, randomBytes, sign as ecdsa } from 'node:crypto'
import * as sk from './splitkey.mjs'

const b64 = (b) => Buffer.from(b).toString('base64')
const un64 = (s) => new Uint8Array(Buffer.from(s ?? '', 'base64'))
const sha256 = (b) => new Uint8Array(createHash('sha256').update(b).digest())

/** Bytes as base64 wherever they stand in a body. */
const plain = (v) => (v instanceof Uint8Array ? b64(v) : Array.isArray(v) ? v.map(plain) : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)])) : v)

export class Problem extends Error {
  constructor(status, body) {
    super(`${body.code} (${status}): ${body.detail}`)
    this.code = body.code
    this.remaining = body.remaining
  }
}

export class Phone {
  #key
  #spki
  #token = ''
  #nonce = new Uint8Array()
  #salt = new Uint8Array(randomBytes(32))
  #records = new Map()
  #module

  constructor(server, sandbox) {
    this.server = server
    this.sandbox = sandbox
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = pair.privateKey
    this.#spki = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }))
    this.thumbprint = sha256(this.#spki)
    this.device = sk.toHex(this.thumbprint)
  }

  async call(method, path, body, type = 'application/json') {
    const bytes = body === undefined ? new Uint8Array() : body instanceof Uint8Array ? body : sk.utf8(JSON.stringify(plain(body)))
    const headers = {}
    if (body !== undefined) headers['Content-Type'] = type
    if (this.#token) {
      const at = String(Date.now())
      const number = sk.toHex(randomBytes(16))
      const message = sk.prefixed(sk.utf8('TWT/request/v1'), sk.utf8(method), sk.utf8('/app/v1' + path), sha256(bytes), this.#nonce, sk.utf8(at), sk.utf8(number))
      Object.assign(headers, { Cookie: `twt=${this.#token}`, 'Twt-Time': at, 'Twt-Request': number, 'Twt-Signature': b64(ecdsa('sha256', message, this.#key)) })
    }
    const res = await fetch(this.server + '/app/v1' + path, { method, headers, body: body === undefined ? undefined : bytes })
    const token = /(?:^|, )twt=([^;]+)/.exec(res.headers.get('set-cookie') ?? '')?.[1]
    if (token) this.#token = token
    const text = await res.text()
    const json = text ? JSON.parse(text) : {}
    if (!res.ok) throw new Problem(res.status, json)
    return json
  }
  post(path, body = {}) {
    return this.call('POST', path, body)
  }

  async until(what, ask) {
    for (let i = 0; i < 300; i++) {
      const got = await ask()
      if (got !== undefined) return got
      await new Promise((r) => setTimeout(r, 100))
    }
    throw new Error(`waited for ${what} in vain`)
  }

  async code(purpose, phone) {
    const inbox = async () => (await fetch(`${this.sandbox}/sandbox/sms?phone=${this.number}`, { headers: { Accept: 'application/json' } })).json()
    const before = (await inbox()).length
    const { id } = await this.call('POST', '/captcha')
    const { x } = await (await fetch(`${this.sandbox}/sandbox/captcha/${id}`, { headers: { Accept: 'application/json' } })).json()
    const { ticket } = await this.post('/codes', { purpose, captcha: { id, x }, ...(phone && { phone }) })
    const code = await this.until('the code', async () => {
      const all = await inbox()
      return all.slice(0, all.length - before).find((m) => m.params.code)?.params.code
    })
    return { ticket, code }
  }

  async register(number) {
    this.number = number
    const { agreements } = await this.call('GET', '/environment')
    const { ticket, code } = await this.code('login', number)
    const s = await this.post('/sessions', {
      phone: number, ticket, code, deviceKey: this.#spki, deviceLabel: '第二种实现',
      agreements: agreements.map(({ document, version }) => ({ document, version })),
    })
    this.account = s.account
    this.#nonce = un64(s.nonce)
  }

  async realname(name, idNumber, video) {
    const entry = await this.code('realname')
    const check = await this.post('/realname', { name, idNumber, ...entry, method: 'phone', consentFace: true })
    await this.call('PUT', `/realname/${check.id}/face`, video, 'video/mp4')
    await this.until('the check', async () => ((await this.call('GET', `/realname/${check.id}`)).state === 'passed' ? true : undefined))
  }

  async buy(institution, years, platform) {
    const order = await this.post('/orders', { institution, years, platform })
    const payment = await this.post(`/orders/${order.id}/payments`, { gateway: 'sandbox' })
    const res = await fetch(`${payment.url}/pay`, { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: '{}' })
    if (!res.ok) throw new Error(`the cashier says ${res.status}`)
    await this.until('the order', async () => ((await this.call('GET', `/orders/${order.id}`)).state === 'paid' ? true : undefined))
    return this.until('the certificate', async () => (await this.call('GET', '/certificates')).certificates?.[0]?.id)
  }

  /** The module's key, its statement verified under the service certificate (§2.8). */
  async module() {
    if (this.#module) return this.#module
    const doc = await this.call('GET', '/module')
    const statement = un64(doc.statement)
    const service = sk.certificateKey(un64(doc.certificate))
    sk.verify(service, sk.digest(service, '1234567812345678', statement), sk.parseSignature(un64(doc.signature)))
    const fields = sk.fields(statement)
    this.#module = { kid: new TextDecoder().decode(fields[1]), key: fields[2] }
    return this.#module
  }

  async sealed(path, opID, nonceID, body) {
    const { kid, key } = await this.module()
    const x = sk.seal(key, { kid, method: 'POST', path: '/app/v1' + path, opID, nonceID, device: this.thumbprint, time: Math.floor(Date.now() / 1000) }, sk.utf8(JSON.stringify(plain(body))))
    const reply = await this.post(path, x.request)
    return JSON.parse(new TextDecoder().decode(x.open({ salt: un64(reply.salt), box: un64(reply.box) })))
  }

  stretched(entry, pepper) {
    entry.stretched ??= sk.stretch(entry.pin, this.#salt, pepper)
    entry.pepper ??= pepper
    return entry.stretched
  }

  async enrol(purpose, kind, subject, entry) {
    const en = await this.sealed('/enrolments', '', '', { kind, subject })
    const k = sk.startKeygen({ account: this.account, device: this.thumbprint, enrolment: en.id, server: en.server, keyID: en.keyID })
    const reply = await this.sealed(`/enrolments/${en.id}/key`, '', '', k.request)
    const { d1, publicKey } = k.finish({ p2: un64(reply.p2), p: un64(reply.p), a: un64(reply.a), z: un64(reply.z) })
    return this.keep(sk.mask(this.stretched(entry, un64(en.pepper)), this.device, purpose, en.keyID, publicKey, d1))
  }
  keep(record) {
    this.#records.set(record.keyID, record)
    return record
  }

  /** One operation (§2.2, §2.4); records replaces those in force during a change of PIN. */
  async operate(opID, entry, records = this.#records) {
    const o = await this.sealed(`/operations/${opID}/nonce`, opID, '', {})
    const record = records.get(o.keyID)
    if (!record) throw new Error('key_lost')
    const share = sk.unmask(this.stretched(entry, un64(o.pepper)), this.device, record)
    const path = `/operations/${opID}/answer`
    if (o.m) {
      const m = un64(o.m)
      const e = sk.digest(record.publicKey, o.id, m)
      const sign = sk.sign(share, { keyID: o.keyID, publicKey: record.publicKey, opID, nonceID: o.nonceID, w: un64(o.w), e })
      const { signature } = await this.sealed(path, opID, o.nonceID, { nonceID: o.nonceID, sign })
      sk.verify(record.publicKey, e, { r: un64(signature.r), s: un64(signature.s) })
      return { m, record }
    }
    const ciphertexts = o.ciphertexts.map((c) => sk.parseCiphertext(un64(c)))
    const decrypt = sk.proveDecrypt(share, { keyID: o.keyID, opID, serverNonce: un64(o.serverNonce), platform: sk.sm3(un64(o.platformCertificate)), ciphertexts })
    const { t2 } = await this.sealed(path, opID, o.nonceID, { nonceID: o.nonceID, decrypt })
    return { plain: ciphertexts.map((c, i) => sk.finishDecrypt(share, c, un64(t2[i]))), record }
  }

  async setPIN(pin) {
    const { id } = await this.post('/pin/setup', await this.code('pin'))
    await this.enrol('pin', 'pin', id, { pin })
    const { opID } = await this.post(`/pin/setup/${id}/proof`)
    await this.operate(opID, { pin })
  }

  async install(certificate, pin) {
    const entry = { pin }
    const path = `/certificates/${certificate}/installation`
    let at = await this.post(path)
    await this.operate(at.opID, entry)
    const record = await this.enrol('sign', 'sign', at.id, entry)
    const enrolment = sk.newKey()
    at = await this.post(`${path}/request`, { enrolmentKey: enrolment.point })
    const { m } = await this.operate(at.opID, entry)
    if (!Buffer.from(m).includes(Buffer.from(record.publicKey))) throw new Error('the request is for another key')
    const d = await this.sealed(`${path}/delivery`, '', '', {})
    const share = BigInt('0x' + sk.toHex(sk.decryptWith(enrolment.d, sk.parseCiphertext(un64(d.forPhone)))))
    this.keep(sk.mask(entry.stretched, this.device, 'encrypt', d.keyID, un64(d.publicKey), share))
    await this.operate(d.opID, entry)
    const done = await this.until('the certificate', async () => {
      const i = await this.call('GET', path)
      return i.state === 'installed' ? i : undefined
    })
    if (!sk.equal(sk.certificateKey(un64(done.signCertificate)), record.publicKey)) throw new Error('the certificate is of another key')
    if (!sk.equal(sk.certificateKey(un64(done.encCertificate)), un64(d.publicKey))) throw new Error('the encryption certificate is of another key')
  }

  async changePIN(old, fresh) {
    const { opID } = await this.post('/pin/change')
    const before = { pin: old }
    const { m } = await this.operate(opID, before)
    const fields = sk.fields(m)
    const keyIDs = sk.fields(fields[5]).map((b) => new TextDecoder().decode(b))
    const k = sk.startRefresh({ account: this.account, device: this.thumbprint, opID, serverNonce: fields[6], keyIDs })
    const r = await this.sealed(`/pin/change/${opID}/refresh`, '', '', k.request)
    const renew = k.finish(un64(r.reply.e))
    const after = { pin: fresh, stretched: sk.stretch(fresh, this.#salt, before.pepper) }
    const next = new Map(keyIDs.map((id) => [id, renew(this.device, this.#records.get(id), before.stretched, after.stretched)]))
    for (const op of r.operations) await this.operate(op, after, next)
    await this.post(`/pin/change/${r.id}/flip`)
    for (const record of next.values()) this.keep(record)
  }

  scan(qr) {
    return this.post('/scans', { qr })
  }
  confirm(id, certificate, code) {
    return this.post(`/scans/${id}/confirm`, { certificate, ...(code && { code }) })
  }
}
