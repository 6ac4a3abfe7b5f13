import { expect, it } from 'vitest'
import { guessWords } from './guess'

const now = new Date('2026-11-23T10:00:00+08:00')
const wrong = { status: 422, code: 'password_wrong', detail: '密码不正确。' }

it.each([
  [{ ...wrong, remaining: 4 }, '密码不正确。'],
  [{ ...wrong, remaining: 2 }, '密码不正确。还可尝试 2 次。'],
  [{ ...wrong, remaining: 0, lockedUntil: '2026-11-23T02:30:00Z' }, '密码不正确。密码登录已锁定，10:30 解锁。'],
  [{ status: 423, code: 'password_locked', detail: '已锁定。', lockedUntil: '2026-11-24T01:05:00Z' }, '已锁定（2026-11-24 09:05 解锁）。'],
])('%o', (p, words) => expect(guessWords(p, now)).toBe(words))
