import { describe, expect, it } from 'vitest'
import { actorText, boundsOf, pretty } from './words'

describe('the audit log in words', () => {
  it('names an officer who is known', () => expect(actorText('officer:o1', new Map([['o1', '周样例']]))).toBe('周样例'))
  it('gives the number of one who is not', () => expect(actorText('officer:o2', new Map())).toBe('后台人员 o2'))
  it('leaves an account as it is', () => expect(actorText('0193f000', new Map())).toBe('0193f000'))
  it('shows what is no JSON as it is', () => expect(pretty('{broken')).toBe('{broken'))
  it('takes days as China counts them, the last one whole', () =>
    expect(boundsOf('2026-11-01', '2026-11-23')).toEqual({ from: '2026-11-01T00:00:00+08:00', to: '2026-11-23T23:59:59.999+08:00' }))
  it('ignores what is no day', () => expect(boundsOf('', 'yesterday')).toEqual({}))
})
