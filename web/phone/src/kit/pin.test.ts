import { describe, expect, it } from 'vitest'
import { entryTitle, resumable, stageTitle, wrongPIN } from './pin'
import { shuffled } from './shuffle'

describe('a wrong PIN', () => {
  it('tells the tries before the next lock, and the lock when it is near', () => {
    expect(wrongPIN(9)).toEqual({ words: 'PIN 码错误，还可尝试 4 次', next: '' })
    expect(wrongPIN(7)).toEqual({ words: 'PIN 码错误，还可尝试 2 次', next: '再输错 2 次将锁定 30 分钟' })
    expect(wrongPIN(6)).toEqual({ words: 'PIN 码错误，还可尝试 1 次', next: '再输错 1 次将锁定 30 分钟' })
    expect(wrongPIN(5).words).toBe('PIN 码错误，还可尝试 3 次')
    expect(wrongPIN(3).next).toBe('再输错 1 次将锁定 24 小时')
    expect(wrongPIN(1)).toEqual({ words: 'PIN 码错误，还可尝试 1 次', next: '再输错 1 次只能重置 PIN 码' })
  })

  it('says no number that the server did not say', () => {
    for (const odd of [undefined, null, -1, 11, '3']) expect(wrongPIN(odd).words).toBe('PIN 码错误，请重新输入')
  })
})

describe('the pad', () => {
  it('has every digit once, in an order that changes', () => {
    const digits = [...'0123456789']
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const order = shuffled(digits)
      expect([...order].sort()).toEqual(digits)
      seen.add(order.join(''))
    }
    expect(seen.size).toBeGreaterThan(190)
  })

  it('puts each digit at each place about as often', () => {
    const seen = new Map<string, number>()
    for (let i = 0; i < 2000; i++) {
      shuffled([...'0123456789']).forEach((d, place) => seen.set(`${d} at ${place}`, (seen.get(`${d} at ${place}`) ?? 0) + 1))
    }
    expect(seen.size).toBe(100)
    // Of 200 each: a hundred off is more than seven standard deviations.
    for (const n of seen.values()) expect(Math.abs(n - 200)).toBeLessThan(100)
  })
})

describe('the sheet', () => {
  it('asks for each entry by its name', () => {
    expect(entryTitle({ kind: 'changePIN' }, 'old')).toBe('输入原 PIN 码')
    expect(entryTitle({ kind: 'changePIN' }, 'new')).toBe('设置 6 位新 PIN 码')
    expect(entryTitle({ kind: 'setPIN', setup: 's' }, 'again')).toBe('再次输入 PIN 码')
    expect(entryTitle({ kind: 'revoke', certificate: 'c', reason: 'unneeded' }, 'pin')).toBe('输入证书 PIN 码')
  })

  it('may be left only where the server keeps every step', () => {
    expect(resumable({ kind: 'install', certificate: 'c' })).toBe(true)
    expect(resumable({ kind: 'recover', recovery: 'r' })).toBe(true)
    expect(resumable({ kind: 'revoke', certificate: 'c', reason: 'unneeded' })).toBe(false)
    expect(resumable({ kind: 'changePIN' })).toBe(false)
  })
  it('tells of a re-key by certificates, of an installation by steps', () => {
    expect(stageTitle({ kind: 'install', certificate: 'c' }, 'issuing')).toBe('签发证书')
    expect(stageTitle({ kind: 'recover', recovery: 'r' }, 'issuing')).toBe('')
    expect(stageTitle({ kind: 'recover', recovery: 'r' }, 'certificate')).toBe('换发证书')
    expect(stageTitle({ kind: 'settle' }, 'proving')).toBe('')
  })
})
