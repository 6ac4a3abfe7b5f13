import { describe, expect, it } from 'vitest'
import { leftText } from './words'

describe('the working time until a deadline', () => {
  it('names hours and minutes', () => expect(leftText(2 * 3600 + 14 * 60 + 59)).toBe('还剩 2 时 14 分'))
  it('writes minutes with two digits beside hours', () => expect(leftText(5 * 3600 + 120)).toBe('还剩 5 时 02 分'))
  it('drops hours when there are none', () => expect(leftText(59)).toBe('还剩 0 分'))
  it('says how late it is', () => expect(leftText(-3900)).toBe('已超时 1 时 05 分'))
})
