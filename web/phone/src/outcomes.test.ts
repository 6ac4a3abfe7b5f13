import { describe, expect, it } from 'vitest'
import { businessWords, outcomeWords } from './outcomes'

// The vocabulary of docs/domain.md §1.9 and what the gate says besides (§3.9).
const VOCABULARY = [
  'OK', 'USER_REFUSED', 'TIMEOUT', 'WRONG_CODE', 'NO_CERT', 'NOT_ROAMED', 'ROAM_EXPIRED', 'CERT_EXPIRED', 'CERT_REVOKED', 'SEAL_NOT_GRANTED', 'SEAL_VOID', 'KEY_LOST',
  'PIN_LOCKED', 'IDENTITY_MISMATCH', 'ENC_KEY_NOT_FOUND', 'PLATFORM_UNKNOWN', 'PLATFORM_CALLBACK_FAILED', 'RISK_BLOCKED', 'PLATFORM_CANCELLED', 'CERT_PENDING', 'CERT_FROZEN',
  'PIN_NOT_SET', 'PIN_FACE_REQUIRED',
]

describe('outcomes in words', () => {
  it('has a sentence of its own for each, ending as a sentence does', () => {
    const texts = VOCABULARY.map((o) => outcomeWords(o).text)
    expect(new Set(texts).size).toBe(VOCABULARY.length)
    for (const t of texts) expect(t).toMatch(/[^。]。$/)
    expect(texts).not.toContain(outcomeWords('SOMETHING_NEW').text)
  })

  it('says what to do about each that did not go well', () => {
    for (const o of VOCABULARY.filter((v) => v !== 'OK')) expect(outcomeWords(o).remedy, o).not.toBe('')
  })

  it('marks what failed, and only that', () => {
    expect(outcomeWords('OK').chip).toBe('')
    expect(outcomeWords('USER_REFUSED')).toMatchObject({ chip: '已取消', tone: 'mute' })
    expect(outcomeWords(undefined)).toMatchObject({ chip: '失败', tone: 'bad' })
  })

  it('names the businesses', () => {
    expect(businessWords('login').text).toBe('登录')
    expect(businessWords('sign').text).toBe('签名')
  })
})
