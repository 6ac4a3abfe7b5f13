import { expect, it } from 'vitest'
import { invitationToken } from './invitation'

it('reads the token of a link and nothing else', () => {
  expect(invitationToken('#t=Ab_-0123456789')).toBe('Ab_-0123456789')
  for (const s of ['', '#', '#t=', '#k=Ab_-0123456789', '#t=short', '#t=Ab_-0123456789&x=1', '#t=<script>alert(1)</script>', `#t=${'a'.repeat(61)}`]) expect(invitationToken(s)).toBeUndefined()
})
