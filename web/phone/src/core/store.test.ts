import { beforeEach, describe, expect, it, vi } from 'vitest'

const kept = new Map<string, unknown>()
vi.mock('@twt/shared/api/idb', () => ({
  get: (k: string) => Promise.resolve(kept.get(k)),
  putOnce: (k: string, v: unknown) => {
    if (!kept.has(k)) kept.set(k, v)
    return Promise.resolve(kept.get(k))
  },
  transact: (_mode: string, f: (s: { put(v: unknown, k: string): void }) => void) => {
    f({ put: (v, k) => kept.set(k, v) })
    return Promise.resolve()
  },
}))
const { load, save, summary } = await import('./store')

const state = {
  deviceSalt: 'c2FsdA==',
  records: [{ keyID: 'p', purpose: 'pin' }, { keyID: 's', purpose: 'sign' }, { keyID: 'e', purpose: 'encrypt' }, { keyID: 'x', purpose: 'sign' }],
  held: [
    { certificate: 'whole', signKey: 's', encKey: 'e', signCertificate: 'MA==' },
    { certificate: 'half', signKey: 'x', encKey: 'gone', signCertificate: 'MA==' },
    { certificate: 'not issued', signKey: 's', encKey: 'e' },
  ],
}
const bytes = (v: unknown) => new TextEncoder().encode(JSON.stringify(v))

describe('the state of an account', () => {
  beforeEach(() => kept.clear())

  it('is null before anything was kept', async () => {
    expect(await load('a')).toBeNull()
    expect(await summary('a')).toEqual({ pin: false, certificates: [], pendingRefresh: false })
  })

  it('comes back as it was, wrapped in between, under a key that stays', async () => {
    await save('a', bytes(state))
    const record = kept.get('phone:a') as { box: ArrayBuffer }
    expect(new TextDecoder().decode(record.box)).not.toContain('deviceSalt')
    expect((kept.get('wrap') as CryptoKey).extractable).toBe(false)
    expect(new TextDecoder().decode((await load('a'))!)).toBe(JSON.stringify(state))
  })

  it('is summed up without its secrets', async () => {
    await save('a', bytes({ ...state, refresh: 'r' }))
    expect(await summary('a')).toEqual({ pin: true, certificates: ['whole'], pendingRefresh: true })
  })

  it('of another account does not open', async () => {
    await save('a', bytes(state))
    kept.set('phone:b', kept.get('phone:a'))
    await expect(load('b')).rejects.toMatchObject({ problem: { code: 'key_lost' } })
  })

  it('is lost with its key or when it is damaged', async () => {
    await save('a', bytes(state))
    const key = kept.get('wrap')
    kept.delete('wrap')
    await expect(load('a')).rejects.toMatchObject({ problem: { code: 'key_lost' } })
    expect((await summary('a')).pin).toBe(false)
    kept.set('wrap', key)
    new Uint8Array((kept.get('phone:a') as { box: ArrayBuffer }).box)[3]! ^= 1
    await expect(load('a')).rejects.toMatchObject({ problem: { code: 'key_lost' } })
  })
})
