import { describe, expect, it } from 'vitest'
import { pictureFault } from './pictures'

describe('a picture that the phone itself refuses', () => {
  const file = (name: string, type: string, size = 1000) => ({ name, type, size })
  it('is one of another kind, each told how to go on', () => {
    for (const f of [file('a.svg', 'image/svg+xml'), file('a.gif', 'image/gif'), file('a.pdf', 'application/pdf'), file('a', '')]) expect(pictureFault(f)).toContain('JPG')
    expect(pictureFault(file('a.heic', 'image/heic'))).toContain('HEIC')
    expect(pictureFault(file('A.HEIC', ''))).toContain('HEIC')
  })
  it('is one that is too large or empty', () => {
    expect(pictureFault(file('a.jpg', 'image/jpeg', (10 << 20) + 1))).toContain('10 MB')
    expect(pictureFault(file('a.jpg', 'image/jpeg', 10 << 20))).toBe('')
    expect(pictureFault(file('a.png', 'image/png', 0))).not.toBe('')
  })
})
