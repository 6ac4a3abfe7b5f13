/** How the states of certificates and their platforms are called and coloured. */
import { daysUntil } from '@twt/shared/format'
import type { Schemas } from '@/api'
import type { KeyState } from '@/state/keys'

export type Certificate = Schemas['CertificateBody']
export type Tone = 'ok' | 'warn' | 'bad' | 'brand' | 'mute'

interface Words {
  text: string
  tone: Tone
}

const STATES: Record<Certificate['state'], Words> = {
  pending: { text: '待下载', tone: 'brand' },
  valid: { text: '有效', tone: 'ok' },
  key_lost: { text: '密钥丢失', tone: 'bad' },
  frozen: { text: '已冻结', tone: 'mute' },
  expired: { text: '已过期', tone: 'mute' },
  revoked: { text: '已吊销', tone: 'bad' },
  replaced: { text: '已替换', tone: 'mute' },
  cancelled: { text: '已取消', tone: 'mute' },
}

/** The order of the filters. */
export const STATE_ORDER: Certificate['state'][] = ['valid', 'pending', 'key_lost', 'frozen', 'expired', 'revoked', 'replaced', 'cancelled']

export function stateWords(state: Certificate['state']): Words {
  return STATES[state]
}

/** A state as its owner meets it on this phone: in force, but its keys are not ready here. */
export function wordsHere(c: Certificate, keys: KeyState): Words {
  if (keys === 'lost') return STATES.key_lost
  return keys === 'unfinished' ? { text: '待完成安装', tone: 'warn' } : STATES[c.state]
}

const PLATFORM_STATES: Record<Schemas['RoamingBody']['state'], Words> = {
  opening: { text: '开通中', tone: 'brand' },
  open: { text: '已授权', tone: 'ok' },
  expired: { text: '已过期', tone: 'mute' },
  cancelled: { text: '已取消', tone: 'mute' },
}

export function platformWords(state: Schemas['RoamingBody']['state']): Words {
  return PLATFORM_STATES[state]
}

export const KINDS = { person: '个人证书', enterprise: '企业证书' } as const

/** Days left of a certificate in force when they are few (90 or less). */
export function endsSoon(c: Pick<Certificate, 'state' | 'notAfter'>): number | undefined {
  if (c.state !== 'valid' || !c.notAfter) return undefined
  const days = daysUntil(c.notAfter)
  return days <= 90 ? Math.max(0, days) : undefined
}

const REASONS: Record<string, string> = {
  compromised: '手机丢失或密钥可能泄露',
  changed: '证书信息有变更',
  unneeded: '不再使用',
  officer: '由运营方冻结，如有疑问请联系客服',
}

export function reasonWords(reason: string | undefined): string {
  return REASONS[reason ?? ''] ?? reason ?? ''
}
