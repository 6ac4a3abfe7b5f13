import { shallowRef } from 'vue'

/** What was searched, so that a way back finds it. Never in an address: it may be somebody's number. */
export const tab = shallowRef<'accounts' | 'enterprises'>('accounts')
export const accountQuery = shallowRef('')
export const enterpriseQuery = shallowRef('')

export interface AccountQuery {
  phone?: string
  name?: string
  id?: string
}

/**
 * Which of the exact values something typed is: a phone number, an ID number or an
 * account's id, else a name. undefined for what is none of them.
 */
export function accountQueryOf(typed: string): AccountQuery | undefined {
  const t = typed.replace(/[\s·•]/g, (c) => (c.trim() ? '·' : ''))
  if (/^1\d{10}$/.test(t)) return { phone: t }
  if (/^\d{17}[\dXx]$/.test(t)) return { id: t.toUpperCase() }
  if (/^[0-9a-f-]{32,36}$/i.test(t)) return { id: t.toLowerCase() }
  if (/^[\p{Script=Han}·]{2,30}$/u.test(t)) return { name: t }
  return undefined
}
