import { describe, expect, it } from 'vitest'
import { dateTime, dateTimeSeconds, day, dayHead, daysUntil, fileSize, groups, hexOf, listTime, minutesSeconds, money, price, tail } from './format'

const now = new Date('2026-11-23T06:00:00Z') // 14:00 in China

describe('dates are told in China Standard Time', () => {
  it('crosses midnight with the zone, not with UTC', () => {
    expect(day('2026-11-22T16:30:00Z')).toBe('2026-11-23')
    expect(dateTime('2026-11-22T16:30:00Z')).toBe('2026-11-23 00:30')
    expect(dateTimeSeconds('2026-11-22T16:30:05Z')).toBe('2026-11-23 00:30:05')
  })
  it('takes Go’s zero time, nothing and nonsense as no time', () => {
    for (const none of ['0001-01-01T00:00:00Z', '', undefined, null, 'x']) expect(day(none)).toBe('—')
  })
  it('shortens in lists as far as it stays clear', () => {
    expect(listTime('2026-11-23T05:59:30Z', now)).toBe('刚刚')
    expect(listTime('2026-11-23T05:50:00Z', now)).toBe('10 分钟前')
    expect(listTime('2026-11-23T01:42:00Z', now)).toBe('今天 09:42')
    expect(listTime('2026-11-22T01:42:00Z', now)).toBe('昨天 09:42')
    expect(listTime('2026-11-20T01:42:00Z', now)).toBe('11-20')
    expect(listTime('2025-11-20T01:42:00Z', now)).toBe('2025-11-20')
  })
  it('heads groups of days', () => {
    expect(dayHead('2026-11-23T01:00:00Z', now)).toBe('今天')
    expect(dayHead('2026-11-22T01:00:00Z', now)).toBe('昨天')
    expect(dayHead('2026-11-02T01:00:00Z', now)).toBe('11 月 2 日')
    expect(dayHead('2025-11-02T01:00:00Z', now)).toBe('2025 年 11 月 2 日')
  })
  it('counts the days that are left', () => {
    expect(daysUntil('2026-11-24T06:00:00Z', now)).toBe(1)
    expect(daysUntil('2026-11-22T05:00:00Z', now)).toBe(-1)
  })
})

describe('amounts are integer fen', () => {
  it('always shows two decimals, but not in unit prices', () => {
    expect(money(3_210_000_000)).toBe('¥32,100,000.00')
    expect(money(5)).toBe('¥0.05')
    expect(money(-4000)).toBe('−¥40.00')
    expect(price(20000)).toBe('¥200')
    expect(price(19950)).toBe('¥199.50')
  })
})

describe('codes', () => {
  it('groups by four and tells the tail', () => {
    expect(groups('3a5f09d27c41')).toBe('3a5f 09d2 7c41')
    expect(groups('12345')).toBe('1234 5')
    expect(tail('3a5f09d27c41')).toBe('7C41')
    expect(tail(undefined)).toBe('')
    expect(hexOf('AQL/')).toBe('0102FF')
  })
  it('tells sizes and countdowns', () => {
    expect(fileSize(800)).toBe('800 字节')
    expect(fileSize(2048)).toBe('2.0 KB')
    expect(fileSize(5 * 1024 * 1024)).toBe('5.0 MB')
    expect(minutesSeconds(102)).toBe('1:42')
    expect(minutesSeconds(-3)).toBe('0:00')
  })
})
