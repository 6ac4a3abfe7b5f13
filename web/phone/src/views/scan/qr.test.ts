import { describe, expect, it } from 'vitest'
import { scanText } from './qr'

const token = 'A-b_9'.repeat(12)

describe('the text of a QR code', () => {
  it('is ours with the token in the fragment of /s', () => {
    expect(scanText(`https://app.example/s#k=${token}`)).toBe(`https://app.example/s#k=${token}`)
    expect(scanText(` http://127.0.0.1:8080/s#k=${token}\n`)).toBe(`http://127.0.0.1:8080/s#k=${token}`)
  })

  it('is sent nowhere if it is anything else', () => {
    for (const text of [
      '', 'hello', 'https://app.example/', `https://app.example/s?k=${token}`, `https://app.example/s/#k=${token}`, `https://app.example/S#k=${token}`, 'https://app.example/s#k=',
      'https://app.example/s#k=short', `https://app.example/s#k=${'a'.repeat(201)}`, `https://app.example/s#k=${token}%00`, `javascript:alert(1)//s#k=${token}`, `weixin://s#k=${token}`,
      `https://user@app.example/s#k=${token}`, `https://app.example/s?x=1#k=${token}`,
    ]) expect(scanText(text), text).toBeUndefined()
  })
})
