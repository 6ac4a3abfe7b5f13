import type { Problem } from '@twt/shared/api/problem'
import { clock, dateTime, day } from '@twt/shared/format'

/** A refused password in words: how many tries are left, or until when there are none. */
export function guessWords(p: Problem, now: Date = new Date()): string {
  if (p.lockedUntil) {
    const at = day(p.lockedUntil) === day(now) ? clock(p.lockedUntil) : dateTime(p.lockedUntil)
    return p.remaining === 0 ? `${p.detail}密码登录已锁定，${at} 解锁。` : `${p.detail.replace(/。$/, '')}（${at} 解锁）。`
  }
  // Who mistyped once needs no threat.
  return typeof p.remaining === 'number' && p.remaining <= 3 ? `${p.detail}还可尝试 ${p.remaining} 次。` : p.detail
}
