/** How the caller stands with a platform, in words and colour. */
import { day, daysUntil } from '@twt/shared/format'
import type { Schemas } from '@/api'

export type Platform = Schemas['PlatformBody']
export type Standing = NonNullable<Platform['mine']>

export interface StandingWords {
  text: string
  tone?: 'ok' | 'warn' | 'mute'
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
    case 'to_install':
      return { text: '证书待安装', tone: 'warn' }
    case 'to_pay':
      return { text: '订单待支付', tone: 'warn' }
    default:
      return { text: '尚无证书' }
  }
}

/** One character a province, as licence plates have it. */
const SHORT: Record<string, string> = {
  全国: '全', 北京: '京', 天津: '津', 河北: '冀', 山西: '晋', 内蒙古: '蒙', 辽宁: '辽', 吉林: '吉', 黑龙江: '黑', 上海: '沪', 江苏: '苏', 浙江: '浙', 安徽: '皖', 福建: '闽', 江西: '赣', 山东: '鲁',
  河南: '豫', 湖北: '鄂', 湖南: '湘', 广东: '粤', 广西: '桂', 海南: '琼', 重庆: '渝', 四川: '川', 贵州: '贵', 云南: '云', 西藏: '藏', 陕西: '陕', 甘肃: '甘', 青海: '青', 宁夏: '宁', 新疆: '新', 台湾: '台', 香港: '港', 澳门: '澳',
}

export function shortRegion(region: string): string {
  return SHORT[region] ?? region.slice(0, 1)
}

/** The provinces of a form. */
export const REGIONS = Object.keys(SHORT)

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
