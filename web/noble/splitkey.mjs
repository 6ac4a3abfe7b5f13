/**
 * The phone's half of docs/split-keys.md a second time, on other people's
 * arithmetic: curve and scalars by @noble/curves, SM3, PBKDF2 and SM4 by the
 * OpenSSL inside Node. It shares no line with the Go package that it checks.
 * For tests only: BigInt's timing depends on its values.
 */
import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { weierstrass } from '@noble/curves/abstract/weierstrass.js'

const H = (s) => BigInt('0x' + s)
/** GB/T 32918.5: the recommended curve. */
export const Point = weierstrass({
  p: H('FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF'),
  n: H('FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123'),
  h: 1n,
  a: H('FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC'),
  b: H('28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93'),
  Gx: H('32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7'),
  Gy: H('BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0'),
})
export const n = Point.Fn.ORDER
const G = Point.BASE

export const mod = (x) => ((x % n) + n) % n
const inverse = (x) => Point.Fn.inv(x)
const times = (P, k) => P.multiply(mod(k))

export const utf8 = (s) => new TextEncoder().encode(s)
export const concat = (...parts) => new Uint8Array(Buffer.concat(parts))
export const toHex = (b) => Buffer.from(b).toString('hex')
const toNumber = (b) => (b.length ? BigInt('0x' + toHex(b)) : 0n)
export const bytes32 = (x) => new Uint8Array(Buffer.from(x.toString(16).padStart(64, '0'), 'hex'))
export const pointBytes = (P) => P.toBytes(false)
export const parsePoint = (b) => {
  if (b.length !== 65 || b[0] !== 4) throw new Error('not an uncompressed point')
  const P = Point.fromBytes(b)
  P.assertValidity()
  return P
}
const parseScalar = (b) => {
  const x = toNumber(b)
  if (b.length !== 32 || x === 0n || x >= n) throw new Error('a scalar out of range')
  return x
}
export const equal = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0

export const sm3 = (...parts) => {
  const h = createHash('sm3')
  for (const p of parts) h.update(p)
  return new Uint8Array(h.digest())
}
export const prefixed = (...parts) => concat(...parts.flatMap((p) => [u32(p.length), p]))
/** The fields of a length-prefixed message. */
export function fields(b) {
  const out = []
  for (let rest = b; rest.length; ) {
    const size = new DataView(rest.buffer, rest.byteOffset).getUint32(0)
    out.push(rest.subarray(4, 4 + size))
    rest = rest.subarray(4 + size)
  }
  return out
}
const u32 = (v) => {
  const b = new Uint8Array(4)
  new DataView(b.buffer).setUint32(0, v)
  return b
}
export const u64 = (v) => {
  const b = new Uint8Array(8)
  new DataView(b.buffer).setBigUint64(0, BigInt(v))
  return b
}

/** H2S(label, parts…), §2. */
export function hashToScalar(label, ...parts) {
  const m = prefixed(utf8(label), ...parts)
  return mod(toNumber(concat(sm3(Uint8Array.of(0), m), sm3(Uint8Array.of(1), m)).subarray(0, 48)))
}

function randomScalar() {
  for (;;) {
    const x = toNumber(randomBytes(32))
    if (x > 0n && x < n) return x
  }
}

function hedged(label, secret, ...parts) {
  for (;;) {
    const k = hashToScalar(label, randomBytes(64), bytes32(secret), ...parts)
    if (k) return k
  }
}

const respond = (v, c, x) => bytes32(mod(v + c * x))
function verifyProof(X, a, z, label, ...parts) {
  const c = hashToScalar(label, ...parts)
  if (!times(G, parseScalar(z)).equals(parsePoint(a).add(times(X, c)))) throw new Error('a proof that does not verify')
}

/** Key generation, §2.1. finish gives {d1, P}. */
export function startKeygen({ account, device, enrolment, server, keyID }) {
  const ctx = prefixed(utf8('v1'), utf8(account), device, utf8(enrolment), utf8(server), utf8(keyID))
  const d1 = randomScalar()
  const inv = inverse(d1)
  const p1 = pointBytes(times(G, inv))
  const v = hedged('keygen-nonce', d1, ctx)
  const a = pointBytes(times(G, v))
  const z = respond(v, hashToScalar('keygen/phone', ctx, p1, a), inv)
  return {
    request: { p1, a, z },
    finish(reply) {
      const P2 = parsePoint(reply.p2)
      verifyProof(P2, reply.a, reply.z, 'keygen/server', ctx, p1, reply.p2, reply.a)
      const P = times(P2, inv).subtract(G)
      if (!equal(pointBytes(P), reply.p)) throw new Error('the public key is not of both shares')
      return { d1, publicKey: reply.p }
    },
  }
}

/** §3.1: one slow step an entry. */
export function stretch(pin, deviceSalt, pepper) {
  return new Uint8Array(pbkdf2Sync(prefixed(utf8(pin)), prefixed(deviceSalt, pepper), 10_000, 32, 'sm3'))
}
const maskOf = (stretched, device, r) => hashToScalar('mask', utf8(r.purpose), utf8(r.keyID), utf8(device), r.salt, stretched)
export function mask(stretched, device, purpose, keyID, publicKey, share) {
  const r = { keyID, purpose, publicKey, salt: new Uint8Array(randomBytes(32)) }
  return { ...r, masked: bytes32(mod(share + maskOf(stretched, device, r))) }
}
export const unmask = (stretched, device, r) => mod(toNumber(r.masked) - maskOf(stretched, device, r))

/** e = SM3(ZA‖M), GB/T 32918.2 §5.5. */
export function digest(publicKey, id, message) {
  const c = Point.CURVE()
  const name = utf8(id)
  const za = sm3(Uint8Array.of((name.length * 8) >> 8, (name.length * 8) & 255), name, bytes32(c.a), bytes32(c.b), bytes32(c.Gx), bytes32(c.Gy), publicKey.subarray(1))
  return sm3(za, message)
}

/** §2.2 step 2. */
export function sign(d1, { keyID, publicKey, opID, nonceID, w, e }) {
  const parts = [utf8(keyID), publicKey, utf8(opID), utf8(nonceID), w, e]
  const h = hashToScalar('bind', ...parts)
  for (;;) {
    const k = hedged('nonce', d1, ...parts)
    const Q = times(G, k).add(times(parsePoint(w), h))
    const r = mod(toNumber(e) + Q.toAffine().x)
    if (r === 0n || mod(k + r) === 0n) continue
    return { e, r: bytes32(r), t1: bytes32(mod(d1 * mod(k + r))) }
  }
}

export function verify(publicKey, e, { r, s }) {
  const [R, S] = [parseScalar(r), parseScalar(s)]
  const t = mod(R + S)
  const Q = times(G, S).add(times(parsePoint(publicKey), t))
  if (t === 0n || mod(Q.toAffine().x + toNumber(e)) !== R) throw new Error('a signature that does not verify')
}

/** §2.4 step 1. */
export function proveDecrypt(a, { keyID, opID, serverNonce, platform, ciphertexts }) {
  const list = sm3(...ciphertexts.map((c) => c.c1))
  const parts = [utf8(keyID), utf8(opID), serverNonce]
  const v = hedged('dec-nonce', a, ...parts, list, platform)
  const commitment = pointBytes(times(G, v))
  const A = pointBytes(times(G, a))
  return { a: commitment, z: respond(v, hashToScalar('decrypt', ...parts, A, list, platform, commitment), a) }
}

function kdf(z, length) {
  const out = []
  for (let i = 1, have = 0; have < length; i++, have += 32) out.push(sm3(z, u32(i)))
  return concat(...out).subarray(0, length)
}
const xor = (a, b) => a.map((v, i) => v ^ b[i])

function open(S, c) {
  const xy = pointBytes(S).subarray(1)
  const plain = xor(c.c2, kdf(xy, c.c2.length))
  if (!equal(sm3(xy.subarray(0, 32), plain, xy.subarray(32)), c.c3)) throw new Error('a ciphertext that does not open')
  return plain
}
/** §2.4 step 3. */
export const finishDecrypt = (a, c, t2) => open(times(parsePoint(c.c1), a).add(parsePoint(t2)), c)
/** Opens with a whole private key: the enrolment key's. */
export const decryptWith = (d, c) => open(times(parsePoint(c.c1), d), c)
export function newKey() {
  const d = randomScalar()
  return { d, point: pointBytes(times(G, d)) }
}

/** DER, as far as these formats need it. */
export function readDER(b) {
  const head = (at) => {
    let length = b[at + 1]
    let start = at + 2
    if (length & 0x80) {
      const size = length & 0x7f
      length = Number(toNumber(b.subarray(start, start + size)))
      start += size
    }
    return { tag: b[at], start, end: start + length, whole: b.subarray(at, start + length), body: b.subarray(start, start + length) }
  }
  return head(0)
}
export function children(body) {
  const out = []
  for (let rest = body; rest.length; ) {
    const x = readDER(rest)
    out.push(x)
    rest = rest.subarray(x.whole.length)
  }
  return out
}
const pad32 = (b) => bytes32(toNumber(b))
const integer = (b) => {
  let v = b
  while (v.length > 1 && v[0] === 0) v = v.subarray(1)
  if (v[0] & 0x80) v = concat(Uint8Array.of(0), v)
  return tlv(2, v)
}
const tlv = (tag, body) => concat(body.length < 128 ? Uint8Array.of(tag, body.length) : body.length < 256 ? Uint8Array.of(tag, 0x81, body.length) : Uint8Array.of(tag, 0x82, body.length >> 8, body.length & 255), body)

export function parseCiphertext(der) {
  const [x, y, hash, text] = children(readDER(der).body)
  return { c1: concat(Uint8Array.of(4), pad32(x.body), pad32(y.body)), c2: new Uint8Array(text.body), c3: hash.body }
}
function encrypt(key, plain) {
  const k = randomScalar()
  const c1 = pointBytes(times(G, k))
  const xy = pointBytes(times(parsePoint(key), k)).subarray(1)
  const c2 = xor(plain, kdf(xy, plain.length))
  const c3 = sm3(xy.subarray(0, 32), plain, xy.subarray(32))
  return tlv(0x30, concat(integer(c1.subarray(1, 33)), integer(c1.subarray(33)), tlv(4, c3), tlv(4, c2)))
}
/** The 65-byte key inside a certificate: its SubjectPublicKeyInfo's BIT STRING. */
export function certificateKey(der) {
  const tbs = children(readDER(der).body)[0]
  const fields = children(tbs.body)
  const spki = fields[tbs.body[0] === 0xa0 ? 6 : 5]
  return children(spki.body)[1].body.subarray(1)
}
export function parseSignature(der) {
  const [r, s] = children(readDER(der).body)
  return { r: pad32(r.body), s: pad32(s.body) }
}

/** SM4-GCM: SM4 in counter mode by OpenSSL, GHASH here (NIST SP 800-38D). */
function gcm(key, iv, aad, text, decrypting) {
  const block = (b) => {
    const c = createCipheriv('sm4-ecb', key, null)
    c.setAutoPadding(false)
    return new Uint8Array(Buffer.concat([c.update(b), c.final()]))
  }
  const h = toNumber(block(new Uint8Array(16)))
  const multiply = (x, y) => {
    let z = 0n
    let v = y
    for (let i = 127n; i >= 0n; i--) {
      if ((x >> i) & 1n) z ^= v
      v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n
    }
    return z
  }
  const ctr = createCipheriv('sm4-ctr', key, concat(iv, u32(2)))
  const out = new Uint8Array(Buffer.concat([ctr.update(text), ctr.final()]))
  const sealed = decrypting ? text : out
  const pad = (b) => concat(b, new Uint8Array((16 - (b.length % 16)) % 16))
  const all = concat(pad(aad), pad(sealed), u64(aad.length * 8), u64(sealed.length * 8))
  let y = 0n
  for (let i = 0; i < all.length; i += 16) y = multiply(y ^ toNumber(all.subarray(i, i + 16)), h)
  const tag = xor(new Uint8Array(Buffer.from(y.toString(16).padStart(32, '0'), 'hex')), block(concat(iv, u32(1))))
  return { out, tag }
}

/** §2.8: seals a body; open opens the one reply. */
export function seal(moduleKey, { kid, method, path, opID, nonceID, device, time }, plain) {
  const k = new Uint8Array(randomBytes(16))
  const aad = prefixed(utf8('v1'), utf8(kid), utf8(method), utf8(path), utf8(opID), utf8(nonceID), device, u64(time))
  const derive = (label, salt) => {
    const out = kdf(prefixed(k, utf8(label), aad, salt), 28)
    return [out.subarray(0, 16), out.subarray(16)]
  }
  const [key, iv] = derive('request', new Uint8Array())
  const { out, tag } = gcm(key, iv, aad, plain, false)
  return {
    request: { v: 'v1', kid, ...(opID && { opID }), ...(nonceID && { nonceID }), time, ek: encrypt(moduleKey, k), box: concat(out, tag) },
    open({ salt, box }) {
      const [key, iv] = derive('reply', salt)
      const { out, tag } = gcm(key, iv, aad, box.subarray(0, -16), true)
      if (!equal(tag, box.subarray(-16))) throw new Error('a sealed reply that does not open')
      return out
    },
  }
}

/** §2.5: the phone's side of a refresh; of(record, before, after) gives the new record. */
export function startRefresh({ account, device, opID, serverNonce, keyIDs }) {
  const k = newKey()
  return {
    request: { e: k.point },
    finish(e) {
      const z = pointBytes(times(parsePoint(e), k.d)).subarray(1, 33)
      const keys = prefixed(...keyIDs.map(utf8))
      const transcript = sm3(prefixed(utf8('refresh/v1'), utf8(account), device, utf8(opID), serverNonce, keys, k.point, e))
      return (deviceHex, r, before, after) => {
        const share = unmask(before, deviceHex, r)
        const by = hashToScalar(r.purpose === 'encrypt' ? 'delta' : 'rho', z, transcript, utf8(r.keyID))
        const fresh = r.purpose === 'encrypt' ? mod(share + by) : mod(share * by)
        return mask(after, deviceHex, r.purpose, r.keyID, r.publicKey, fresh)
      }
    },
  }
}
