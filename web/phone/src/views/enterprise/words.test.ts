import { expect, it } from 'vitest'
import { roleWords, stateWords, workingTime } from './words'

it('writes working time as hours and minutes, rounded up', () => {
  expect(workingTime(9 * 3600)).toBe('9 小时')
  expect(workingTime(8 * 3600 + 20 * 60)).toBe('8 小时 20 分钟')
  expect(workingTime(59 * 60 + 1)).toBe('1 小时')
  expect(workingTime(1)).toBe('1 分钟')
  expect(workingTime(0)).toBe('即将完成')
  expect(workingTime(-60)).toBe('即将完成')
})

it('has a word of its own for each state of an application', () => {
  const states = ['draft', 'checked', 'verifying', 'reviewing', 'refused', 'verified', 'ended']
  expect(new Set(states.map((s) => stateWords(s).text)).size).toBe(states.length)
  expect(states.map((s) => stateWords(s).text)).not.toContain(stateWords('unheard of').text)
  expect(roleWords('administrator')).not.toBe(roleWords('member'))
})
