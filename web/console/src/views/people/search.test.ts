import { describe, expect, it } from 'vitest'
import { accountQueryOf } from './search'

describe('what an officer types to find an account', () => {
  it('is a phone number, spaces or not', () => expect(accountQueryOf(' 138 0000 6021 ')).toEqual({ phone: '13800006021' }))
  it('is an ID number, its last letter in either case', () => expect(accountQueryOf('11010119900101123x')).toEqual({ id: '11010119900101123X' }))
  it('is the id of an account', () => expect(accountQueryOf('0193F000-1111-7222-8333-444455556666')).toEqual({ id: '0193f000-1111-7222-8333-444455556666' }))
  it('is a name, the middle dot of any keyboard', () => expect(accountQueryOf('阿里木•样例')).toEqual({ name: '阿里木·样例' }))
  it('is nothing when it is a part', () => expect(accountQueryOf('1380000')).toBeUndefined())
})
