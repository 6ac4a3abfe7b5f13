import { beforeEach, describe, expect, it, vi } from 'vitest'

const kept = new Map<string, unknown>()
let opens = true
vi.mock('./idb', () => ({
  get: (k: string) => Promise.resolve(kept.get(k)),
  put: (k: string, v: unknown) => Promise.resolve(void kept.set(k, v)),
  putOnce: (k: string, v: unknown) => {
    if (!kept.has(k)) kept.set(k, v)
    return Promise.resolve(kept.get(k))
  },
  opens: () => Promise.resolve(opens),
  transact: () => Promise.resolve(),
}))
vi.stubGlobal('self', { location: { origin: 'https://app.example' } })

const { base64, call, device, deviceFetch, ecdsaDER, fromBase64, requestBytes, signedFetch } = await import('./device')
const { isProblem } = await import('./problem')

const hex = (b: ArrayBuffer | Uint8Array) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, '0')).join('')
const unhex = (s: string) => Uint8Array.from(s.match(/../g) ?? [], (x) => parseInt(x, 16))

describe('the bytes that a device signs', () => {
  // The same vector stands in internal/httpapi/app/access_test.go.
  it('are those that the server verifies', async () => {
    const b = await requestBytes('POST', '/app/v1/codes?a=%E5%A4%A9', new TextEncoder().encode('{"purpose":"login"}'), Uint8Array.from({ length: 32 }, (_, i) => i), '1700000000000', '00112233445566778899aabbccddeeff')
    expect(hex(await crypto.subtle.digest('SHA-256', b))).toBe('a5819ff2458c2ccd7b40b2f3b3a994835f88fb4e2582274565a7d7c0709462b6')
  })
})

describe('a signature as DER', () => {
  const der = (r: string, s: string) => hex(ecdsaDER(unhex(r.padStart(64, '0') + s.padStart(64, '0'))))
  it('has minimal positive integers', () => {
    expect(der('01', '7f')).toBe('300602010102017f')
    expect(der('80', 'ff01')).toBe('30090202008002' + '0300ff01')
    expect(der('0', '0')).toBe('3006020100020100')
  })
  it('has two full integers', () => {
    expect(der('f'.repeat(64), '7' + 'f'.repeat(63))).toBe('3045' + '022100' + 'f'.repeat(64) + '0220' + '7' + 'f'.repeat(63))
  })
})

it('base64 goes there and back', () => {
  for (let n = 0; n < 40; n++) {
    const b = crypto.getRandomValues(new Uint8Array(n))
    expect(fromBase64(base64(b))).toEqual(b)
  }
})

describe('a request', () => {
  const sent: { url: string; init: RequestInit }[] = []
  let answers: (() => Response | Promise<Response>)[] = []
  beforeEach(() => {
    kept.clear()
    sent.length = 0
    answers = []
    vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
      sent.push({ url: url.href, init })
      return Promise.resolve(answers.shift()?.() ?? new Response('{}'))
    })
  })
  const header = (n: number, name: string) => (sent[n]!.init.headers as Record<string, string>)[name]

  it('is not signed without a session', async () => {
    await signedFetch('POST', '/codes', '{}', 'application/json')
    expect(sent[0]?.url).toBe('https://app.example/app/v1/codes')
    expect(header(0, 'Twt-Signature')).toBeUndefined()
    expect(header(0, 'Content-Type')).toBe('application/json')
  })

  it('is not signed where the browser gives no database', async () => {
    kept.set('session', { account: 'a', nonce: base64(new Uint8Array(32)) })
    opens = false
    await signedFetch('GET', '/environment').finally(() => (opens = true))
    expect(sent[0]?.url).toBe('https://app.example/app/v1/environment')
    expect(header(0, 'Twt-Signature')).toBeUndefined()
  })

  it('of a session is signed with the key whose SPKI was registered', async () => {
    const { spki, thumbprint } = await device()
    expect(thumbprint).toMatch(/^[0-9a-f]{64}$/)
    kept.set('session', { account: 'a', nonce: base64(new Uint8Array(32)) })
    const pair = kept.get('device') as CryptoKeyPair
    expect(pair.privateKey.extractable).toBe(false)
    const signed: BufferSource[] = []
    const sign = vi.spyOn(crypto.subtle, 'sign').mockImplementationOnce((_a, _k, data) => {
      signed.push(data)
      return Promise.resolve(new ArrayBuffer(64))
    })
    await signedFetch('GET', '/me?x=1')
    sign.mockRestore()
    const expected = await requestBytes('GET', '/app/v1/me?x=1', new Uint8Array(), new Uint8Array(32), header(0, 'Twt-Time')!, header(0, 'Twt-Request')!)
    expect(new Uint8Array(signed[0] as ArrayBuffer)).toEqual(expected)
    await crypto.subtle.importKey('spki', fromBase64(spki), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
  })

  it('is sent again with the clock set right', async () => {
    kept.set('session', { account: 'a', nonce: '' })
    const serverTime = new Date(Date.now() + 3_600_000).toISOString()
    answers = [() => new Response(JSON.stringify({ code: 'device_clock_wrong', detail: '…', serverTime }), { status: 401 }), () => new Response('{"ok":true}')]
    expect(await call('GET', '/me')).toEqual({ ok: true })
    expect(Number(header(1, 'Twt-Time')) - Number(header(0, 'Twt-Time'))).toBeGreaterThan(3_500_000)
    expect(header(1, 'Twt-Request')).not.toBe(header(0, 'Twt-Request'))
  })

  it('gives up on a clock that stays wrong', async () => {
    kept.set('session', { account: 'a', nonce: '' })
    const wrong = () => new Response(JSON.stringify({ code: 'device_clock_wrong', detail: '…', serverTime: new Date().toISOString() }), { status: 401 })
    answers = [wrong, wrong, wrong, wrong]
    await expect(call('GET', '/me')).rejects.toSatisfy((e) => isProblem(e, 'device_clock_wrong'))
    expect(sent.length).toBe(3)
  })

  it('that finds no answer is a problem with a sentence', async () => {
    answers = [() => Promise.reject(new TypeError('Failed to fetch'))]
    await expect(call('GET', '/me')).rejects.toSatisfy((e) => isProblem(e, 'network_failed') && e.problem.detail !== '')
  })

  it('that is refused carries the server’s members', async () => {
    answers = [() => new Response('{"status":409,"code":"pin_wrong","detail":"PIN 码错误","remaining":4}', { status: 409 })]
    await expect(call('POST', '/x', {})).rejects.toSatisfy((e) => isProblem(e, 'pin_wrong') && e.problem.remaining === 4)
    answers = [() => new Response('<html>', { status: 502 })]
    await expect(call('POST', '/x', {})).rejects.toSatisfy((e) => isProblem(e, 'http_502'))
    answers = [() => new Response('<html>')]
    await expect(call('POST', '/x', {})).rejects.toSatisfy((e) => isProblem(e, 'answer_unreadable'))
  })

  it('of the generated client passes with body and type; other addresses do not', async () => {
    await deviceFetch(new Request('https://app.example/app/v1/codes?b=2', { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } }))
    expect(sent[0]?.url).toBe('https://app.example/app/v1/codes?b=2')
    expect(new TextDecoder().decode(sent[0]?.init.body as Uint8Array)).toBe('{"a":1}')
    expect(header(0, 'Content-Type')).toBe('application/json')
    await expect(deviceFetch(new Request('https://elsewhere.example/app/v1/me'))).rejects.toThrow()
  })
})
