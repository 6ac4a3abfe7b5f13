// An officer (后台人员) at the console's API, for journeys of the phone that need one:
// the console's own pages have theirs.
import { createHmac, randomBytes } from 'node:crypto'

const need = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the journeys by go test ./test/browser`)
  return value
}

/** The console's address. */
export const console_ = need('TWT_CONSOLE')
/** The one-time passwords of the house's officers, by name: verifier-1, verifier-2, operator, auditor, super-1, super-2. */
export const passwords = JSON.parse(need('TWT_OFFICERS'))

/** The code of an authenticator (RFC 6238, SHA-1, six digits, 30 s) at a time in milliseconds. */
export function totp(secret, at) {
  const bits = [...secret.replace(/[\s=]/g, '').toUpperCase()].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)))
  const mac = createHmac('sha1', key).update(counter).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** An officer who has signed in. */
export class Officer {
  #cookie = ''

  async call(method, path, body) {
    const response = await fetch(new URL(`/console/v1${path}`, console_), {
      method,
      headers: { accept: 'application/json', origin: new URL(console_).origin, cookie: this.#cookie, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    })
    const set = response.headers.getSetCookie().find((c) => c.startsWith('twtc='))
    if (set) this.#cookie = set.split(';')[0]
    const bytes = Buffer.from(await response.arrayBuffer())
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${bytes.toString()}`)
    return response.headers.get('content-type')?.includes('json') ? JSON.parse(bytes.toString()) : bytes
  }

  /** The reviews that wait, by the enterprise's name. */
  async review(name) {
    const { reviews } = await this.call('GET', '/reviews?tab=open')
    const found = reviews.find((r) => r.name === name)
    if (!found) throw new Error(`no review of ${name} among ${reviews.map((r) => r.name).join()}`)
    return this.call('GET', `/reviews/${found.id}`)
  }
}

/**
 * Signs an officer in for the first time: the one-time password gives way to his
 * own, an authenticator becomes his second factor. now gives the house's time in
 * milliseconds.
 */
export async function signIn(name, now = Date.now) {
  const officer = new Officer()
  await officer.call('POST', '/session', { name, password: passwords[name] })
  await officer.call('POST', '/session/password', { new: `Aa1!${randomBytes(12).toString('base64url')}` })
  const { secret } = await officer.call('POST', '/factors/totp/begin', {})
  await officer.call('POST', '/factors/totp/finish', { code: totp(secret, await now()) })
  return officer
}
