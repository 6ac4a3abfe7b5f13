/** How the caller stands with a platform, in words and colour. */
import { day, daysUntil } from '@twt/shared/format'
import type { Schemas } from '@/api'

export type Platform = Schemas['PlatformBody']
export type Standing = Schemas['StandingBody']

export interface StandingWords {
  text: string
  tone?: 'ok' | 'warn' | 'bad' | 'mute'
}

/** Nothing is said twice: no certificate has no dot. */
export function standingWords(s: Standing | undefined): StandingWords {
  switch (s?.state) {
    case 'usable':
      return { text: `可用证书 ${s.certificates} 张`, tone: 'ok' }
    case 'expiring':
      return { text: s.until ? `${Math.max(0, daysUntil(s.until))} 天后到期` : '即将到期', tone: 'warn' }
    case 'expired':
      return { text: s.until ? `已于 ${day(s.until)} 到期` : '已到期', tone: 'mute' }
    case 'not_roamed':
      return { text: '有证书，未在本平台开通', tone: 'mute' }
    case 'key_lost':
      return { text: '密钥丢失，需补办恢复', tone: 'bad' }
    case 'to_install':
      return { text: '证书待安装', tone: 'warn' }
    case 'to_pay':
      return { text: '订单待支付', tone: 'warn' }
    default:
      return { text: '尚无证书' }
  }
}

/** A name cut where a query is found, so that it can be marked. */
export function marked(name: string, query: string): { text: string; hit: boolean }[] {
  const at = query ? name.toLowerCase().indexOf(query.toLowerCase()) : -1
  if (at < 0) return [{ text: name, hit: false }]
  return [
    { text: name.slice(0, at), hit: false },
    { text: name.slice(at, at + query.length), hit: true },
    { text: name.slice(at + query.length), hit: false },
  ].filter((p) => p.text !== '')
}
