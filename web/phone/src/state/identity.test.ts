import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

const kept = new Map<string, string>()
const heard: ((e: { key: string; newValue: string | null }) => void)[] = []
vi.stubGlobal('window', { addEventListener: (_: string, f: (typeof heard)[number]) => heard.push(f) })
vi.stubGlobal('localStorage', { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => kept.set(k, v), removeItem: (k: string) => kept.delete(k) })
vi.mock('@twt/shared/api/device', () => ({ session: () => Promise.resolve(undefined), clearSession: () => Promise.resolve(), onSessionChange: () => () => undefined }))

const { actAs, identity, keyOf } = await import('./identity')
const { useSession } = await import('./session')

beforeEach(() => {
  kept.clear()
  setActivePinia(createPinia())
  useSession().account = 'ann'
  actAs('')
})

describe('as whom one acts', () => {
  it('is remembered on this device for the account that chose it', () => {
    actAs('house')
    expect(identity.value).toBe('house')
    expect(JSON.parse(kept.get('twt-identity')!)).toEqual({ account: 'ann', enterprise: 'house' })
    useSession().account = 'ben'
    expect(identity.value).toBe('')
    useSession().account = 'ann'
    expect(identity.value).toBe('house')
    actAs('')
    expect(kept.has('twt-identity')).toBe(false)
  })

  it('is heard of in every tab, and nothing else is taken for it', () => {
    heard[0]!({ key: 'twt-identity', newValue: JSON.stringify({ account: 'ann', enterprise: 'other' }) })
    expect(identity.value).toBe('other')
    for (const newValue of [null, '', '{', '[]', '"house"', '{"account":"ann"}', '{"account":"ann","enterprise":1}']) {
      heard[0]!({ key: 'twt-identity', newValue })
      expect(identity.value).toBe('')
    }
  })

  it('keeps what each identity has seen apart, but for what is the account’s', () => {
    const keys = ['', 'house', 'other'].map((e) => {
      actAs(e)
      return [keyOf(['certificates', 'counts']), keyOf(['me'])]
    })
    expect(new Set(keys.map(([certificates]) => certificates)).size).toBe(3)
    expect(new Set(keys.map(([, me]) => me)).size).toBe(1)
  })
})
