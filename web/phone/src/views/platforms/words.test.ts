import { expect, test } from 'vitest'
import { marked, standingWords } from './words'

test('what was searched is marked, in whatever case', () => {
  expect(marked('Abc 电子交易平台', 'ABC')).toEqual([{ text: 'Abc', hit: true }, { text: ' 电子交易平台', hit: false }])
  expect(marked('京诚招采平台', '招采')).toEqual([{ text: '京诚', hit: false }, { text: '招采', hit: true }, { text: '平台', hit: false }])
})

test('a name that does not contain the query stays whole', () => {
  expect(marked('京诚招采平台', '津')).toEqual([{ text: '京诚招采平台', hit: false }])
  expect(marked('京诚招采平台', '')).toEqual([{ text: '京诚招采平台', hit: false }])
})

test('every standing is said in words; none has no dot', () => {
  const said = (['usable', 'expiring', 'key_lost', 'to_install', 'to_pay', 'expired', 'not_roamed', 'none'] as const).map((state) => standingWords({ state, certificates: 2 }))
  expect(new Set(said.map((w) => w.text)).size).toBe(said.length)
  expect(said.at(-1)?.tone).toBeUndefined()
  expect(said.slice(0, -1).every((w) => w.tone)).toBe(true)
})

test('days left are never negative', () => {
  expect(standingWords({ state: 'expiring', certificates: 1, until: '2001-01-01T00:00:00Z' }).text).toBe('0 天后到期')
})
