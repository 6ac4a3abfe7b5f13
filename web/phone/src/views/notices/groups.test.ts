import { expect, test } from 'vitest'
import { GROUPS, groupOf, leadsTo } from './groups'

test('a group that is not known yet is shown as one of the system', () => {
  expect(groupOf('order').text).toBe('订单')
  expect(groupOf('weather')).toBe(GROUPS.at(-1))
})

test('a notice leads to pages of this app alone', () => {
  expect(leadsTo('/orders/1', undefined)).toBe('/orders/1')
  expect(leadsTo('/enterprises/1/members?tab=requests', undefined)).toBe('/enterprises/1/members?tab=requests')
  for (const bad of ['', '//evil.example', 'https://evil.example/orders/1', '/ordersx', undefined]) expect(leadsTo(bad, undefined)).toBeUndefined()
})

test('a re-key leads to where it can be answered', () => {
  expect(leadsTo('/recoveries/1', { here: true })).toBe('/recover')
  expect(leadsTo('/recoveries/1', { here: false })).toBe('/')
  expect(leadsTo('/recoveries/1', undefined)).toBeUndefined()
})
