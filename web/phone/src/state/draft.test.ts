import { beforeEach, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'
import { useDraft } from './draft'

const session = vi.hoisted(() => ({ account: undefined as string | undefined }))
vi.mock('./session', () => ({ useSession: () => session }))

const stored = new Map<string, string>()
beforeEach(() => {
  stored.clear()
  vi.stubGlobal('sessionStorage', {
    getItem: (k: string) => stored.get(k) ?? null,
    setItem: (k: string, v: string) => stored.set(k, v),
    removeItem: (k: string) => stored.delete(k),
  })
})

const form = () => useDraft('realname', { name: '', idNumber: '', agreed: false })

test('a form comes back to the account that filled it, and to nobody else', async () => {
  session.account = 'a'
  form().fields.idNumber = '11010519491231002X'
  await nextTick()
  expect(form().fields.idNumber).toBe('11010519491231002X')
  session.account = 'b'
  expect(form().fields.idNumber).toBe('')
  expect([...stored.values()].join()).not.toContain('1949')
  session.account = 'a'
  expect(form().fields.idNumber).toBe('')
})

test('what was typed before a login is there after it', async () => {
  session.account = undefined
  form().fields.name = '测试甲'
  await nextTick()
  session.account = 'a'
  expect(form().fields.name).toBe('测试甲')
})

test('what cannot be read is no draft', () => {
  stored.set('twt-draft-realname', 'x')
  expect(form().fields.name).toBe('')
  stored.set('twt-draft-realname', '{"kept":{"name":1}}')
  expect(form().fields.name).toBe('')
})
