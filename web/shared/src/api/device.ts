/**
 * The device: its key, its session, and the signature that every request of a
 * session carries (docs/split-keys.md §3.3). Page and worker use it alike.
 *
 * The key is WebCrypto's and cannot be exported; the session cookie is the
 * browser's (HttpOnly). What lies in the database: `device` (the key pair),
 * `session` (account and nonce) and `clock` (the server's clock minus ours).
 */
import { get, opens, put, putOnce, transact } from './idb'
import { localProblem, parseProblem, ProblemError } from './problem'

/** The path under which every route of the app lies. */
export const BASE = '/app/v1'

export interface Session {
  account: string
  /** Base64, as POST /sessions gives it. */
  nonce: string
}

export interface Device {
  /** The public key for POST /sessions: SPKI, base64. */
  spki: string
  /** Hex SHA-256 of the SPKI. */
  thumbprint: string
}

export interface SignedOptions {
  signal?: AbortSignal
  headers?: Record<string, string>
  /** True lets the request outlive the page. */
  keepalive?: boolean
}

type Bytes = Uint8Array<ArrayBuffer>

const utf8 = new TextEncoder()

/** Encodes bytes as base64 (RFC 4648 §4), as JSON carries them here. */
export function base64(b: Uint8Array): string {
  let s = ''
  for (const x of b) s += String.fromCharCode(x)
  return btoa(s)
}

/** Decodes base64; throws on anything else. */
export function fromBase64(s: string): Bytes {
  const raw = atob(s)
  const b = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) b[i] = raw.charCodeAt(i)
  return b
}

function hex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('')
}

async function sha256(b: BufferSource): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', b))
}

async function keyPair(): Promise<CryptoKeyPair> {
  const there = await get<CryptoKeyPair>('device')
  if (there) return there
  const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
  return putOnce('device', made)
}

/** The device's public half; the key is made when it is first asked for. */
export async function device(): Promise<Device> {
  const { publicKey } = await keyPair()
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
  return { spki: base64(spki), thumbprint: hex(await sha256(spki)) }
}

/**
 * The session that requests are signed for; undefined when signed out, as one
 * always is in a browser that gives the page no database.
 */
export async function session(): Promise<Session | undefined> {
  return (await opens()) ? get<Session>('session') : undefined
}

/** Remembers a session after POST /sessions; every tab signs for it from then on. */
export async function newSession(s: Session): Promise<void> {
  await put('session', { account: s.account, nonce: s.nonce })
  announce()
}

/** Forgets the session. Device key and key shares stay: they are the account's. */
export async function clearSession(): Promise<void> {
  await transact('readwrite', (s) => {
    s.delete('session')
  })
  announce()
}

const CHANNEL = 'twt-session'

function announce() {
  const c = new BroadcastChannel(CHANNEL)
  c.postMessage('changed')
  c.close()
}

/** Calls f when another tab signs in or out; the result stops that. */
export function onSessionChange(f: () => void): () => void {
  const c = new BroadcastChannel(CHANNEL)
  c.onmessage = f
  return () => c.close()
}

let offset: number | undefined

/** The server's clock as far as this device knows it, in milliseconds. */
export async function serverNow(): Promise<number> {
  offset ??= (await get<number>('clock')) ?? 0
  return Date.now() + offset
}

/** The server's clock minus ours, in milliseconds, as far as it was read or told here. */
export function clockOffset(): number {
  return offset ?? 0
}

/** Takes the server's time (RFC 3339) as the right one. */
export async function setServerTime(rfc3339: string): Promise<void> {
  const at = Date.parse(rfc3339)
  if (Number.isNaN(at)) return
  offset = at - Date.now()
  await put('clock', offset)
}

function concat(parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** The bytes that the device signs: each part behind its length in four bytes. */
export async function requestBytes(method: string, uri: string, body: BufferSource, nonce: Uint8Array, unixMilli: string, number: string): Promise<Bytes> {
  const parts = [utf8.encode('TWT/request/v1'), utf8.encode(method), utf8.encode(uri), await sha256(body), nonce, utf8.encode(unixMilli), utf8.encode(number)]
  return concat(
    parts.flatMap((p) => {
      const n = new Uint8Array(4)
      new DataView(n.buffer).setUint32(0, p.length)
      return [n, p]
    }),
  )
}

/** WebCrypto's r‖s as the DER SEQUENCE that the server reads. */
export function ecdsaDER(raw: Uint8Array): Bytes {
  const integer = (b: Uint8Array): Uint8Array => {
    let i = 0
    while (i < b.length - 1 && b[i] === 0) i++
    const v = b.subarray(i)
    const pad = (v[0] ?? 0) & 0x80 ? [0] : []
    return Uint8Array.from([0x02, v.length + pad.length, ...pad, ...v])
  }
  const half = raw.length / 2
  const r = integer(raw.subarray(0, half))
  const s = integer(raw.subarray(half))
  return concat([Uint8Array.of(0x30, r.length + s.length), r, s])
}

/** The headers that sign a request; none without a session. */
async function signature(method: string, uri: string, body: BufferSource): Promise<Record<string, string>> {
  const s = await session()
  if (!s) return {}
  const at = String(Math.trunc(await serverNow()))
  const number = hex(crypto.getRandomValues(new Uint8Array(16)))
  const { privateKey } = await keyPair()
  const message = await requestBytes(method, uri, body, fromBase64(s.nonce), at, number)
  const raw = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, message)
  return { 'Twt-Time': at, 'Twt-Request': number, 'Twt-Signature': base64(ecdsaDER(new Uint8Array(raw))) }
}

const TRIES = 3

/**
 * Sends a request to the app's API, signed if there is a session. path lies
 * under BASE and may have a query. A clock that differs from the server's is set
 * right and the request sent again. Rejects with a ProblemError "network_failed"
 * if no answer came; refusals of the server are answers.
 */
export async function signedFetch(
  method: string,
  path: string,
  body?: Uint8Array | Blob | string | null,
  contentType?: string,
  options: SignedOptions = {},
): Promise<Response> {
  const url = new URL(BASE + path, self.location.origin)
  const bytes: Bytes =
    body === undefined || body === null
      ? new Uint8Array()
      : typeof body === 'string'
        ? utf8.encode(body)
        : new Uint8Array(body instanceof Blob ? await body.arrayBuffer() : body)
  for (let attempt = 1; ; attempt++) {
    const headers: Record<string, string> = { ...options.headers, ...(await signature(method, url.pathname + url.search, bytes)) }
    if (contentType) headers['Content-Type'] = contentType
    const init: RequestInit = { method, headers, cache: 'no-store', credentials: 'same-origin', redirect: 'error' }
    if (body !== undefined && body !== null) init.body = bytes
    if (options.signal) init.signal = options.signal
    if (options.keepalive) init.keepalive = true
    let response: Response
    try {
      response = await fetch(url, init)
    } catch (e) {
      if (options.signal?.aborted) throw e
      throw new ProblemError(localProblem('network_failed'), { cause: e })
    }
    if (response.status === 401 && attempt < TRIES) {
      const p = parseProblem(401, await response.clone().text())
      if (p.code === 'device_clock_wrong' && p.serverTime) {
        await setServerTime(p.serverTime)
        continue
      }
    }
    return response
  }
}

/**
 * signedFetch in the shape of fetch, for the generated client:
 * createClient<paths>({ baseUrl: BASE, fetch: deviceFetch }). query is added to the
 * address: the signature covers it.
 */
export async function deviceFetch(request: Request, query: Record<string, string> = {}): Promise<Response> {
  const url = new URL(request.url)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  if (url.origin !== self.location.origin || !url.pathname.startsWith(BASE + '/')) {
    throw new TypeError(`not a route of the app: ${url.pathname}`)
  }
  const headers: Record<string, string> = {}
  request.headers.forEach((value, name) => {
    if (name !== 'content-type') headers[name] = value
  })
  const body = request.body === null ? null : new Uint8Array(await request.arrayBuffer())
  const type = request.headers.get('content-type') ?? undefined
  return signedFetch(request.method, url.pathname.slice(BASE.length) + url.search, body, type, { signal: request.signal, headers })
}

/**
 * Calls a JSON route and gives its answer. Every refusal is a ProblemError; an
 * empty answer is undefined.
 */
export async function call<T = unknown>(method: string, path: string, body?: unknown, options: SignedOptions = {}): Promise<T> {
  const json = body === undefined ? undefined : JSON.stringify(body)
  const response = await signedFetch(method, path, json, json === undefined ? undefined : 'application/json', options)
  const text = await response.text().catch((e: unknown) => {
    throw new ProblemError(localProblem('network_failed'), { cause: e })
  })
  if (!response.ok) throw new ProblemError(parseProblem(response.status, text))
  if (text === '') return undefined as T
  try {
    return JSON.parse(text) as T
  } catch (e) {
    throw new ProblemError(localProblem('answer_unreadable'), { cause: e })
  }
}
