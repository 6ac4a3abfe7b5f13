import { describe, expect, it } from 'vitest'
import shared from '../../../../internal/enterprise/testdata/vectors.json'
import { cleanCode, cleanEnterpriseName } from './enterprise'

describe('the vectors shared with the server', () => {
  it.each(shared.codes)('code $in', (v) => expect(cleanCode(v.in)).toBe(v.want))
})

it('finds every single wrong character of a code', () => {
  const code = '91350100M000100Y43'
  for (let i = 0; i < code.length; i++) {
    for (const c of '0123456789ABCDEFGHJKLMNPQRTUWXY') {
      if (c !== code[i]) expect(cleanCode(code.slice(0, i) + c + code.slice(i + 1))).toBe('')
    }
  }
})

it('takes a name as registers and keyboards write it', () => {
  expect(cleanEnterpriseName(' 样例(测试)有限公司 ')).toBe('样例（测试）有限公司')
  for (const s of ['', '公司', 'Example Ltd', '样例<b>有限公司', '样'.repeat(101)]) expect(cleanEnterpriseName(s)).toBe('')
})
