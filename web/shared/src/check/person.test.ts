import { describe, expect, it } from 'vitest'
import shared from '../../../../internal/realname/testdata/vectors.json'
import { cleanBankCard, cleanIDNumber, cleanName, cleanPhone, passwordFault } from './person'

describe('the vectors shared with the server', () => {
  it.each(shared.idNumbers)('ID number $in', (v) => expect(cleanIDNumber(v.in, new Date(shared.now))).toBe(v.want))
  it.each(shared.cards)('card $in', (v) => expect(cleanBankCard(v.in)).toBe(v.want))
  it.each(shared.names)('name $in', (v) => expect(cleanName(v.in)).toBe(v.want))
})

it('takes an ID number from midnight in China on', () => {
  expect(cleanIDNumber('110105202611240010', new Date('2026-11-23T15:59:59Z'))).toBe('')
  expect(cleanIDNumber('110105202611240010', new Date('2026-11-23T16:00:00Z'))).toBe('110105202611240010')
})

it('takes a phone number as keyboards and address books write it', () => {
  for (const s of ['13800000000', '138 0000 0000', '+86 138-0000-0000', '8613800000000']) expect(cleanPhone(s)).toBe('13800000000')
  for (const s of ['', '1380000000', '23800000000', '12800000000', '138000000000', '1380000000a']) expect(cleanPhone(s)).toBe('')
})

it('names what is wrong with a password', () => {
  expect(passwordFault('a1b2c3d')).toContain('8 位')
  expect(passwordFault('a1'.repeat(33))).toContain('64 位')
  expect(passwordFault('12345678')).toContain('两种')
  expect(passwordFault('x13800000000', '13800000000')).toContain('手机号')
  expect(passwordFault('correct horse 1')).toContain('空格')
  expect(passwordFault('密码密码密码12')).toContain('英文')
  expect(passwordFault('abcdefgh')).toContain('两种')
  expect(passwordFault('abcdEFGH')).toContain('两种')
  expect(passwordFault('correct-horse')).toBe('')
})
