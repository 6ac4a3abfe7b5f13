import { expect, it } from 'vitest'
import { since } from './span'

it('counts whole days of the service, today among them', () => {
  // 2026-11-24 00:30 in Shanghai is still the 23rd in Greenwich.
  const now = new Date('2026-11-23T16:30:00Z')
  expect(since('week', now)).toBe('2026-11-18')
  expect(since('month', now)).toBe('2026-10-26')
})
