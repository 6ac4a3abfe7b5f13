/** What enterprises, applications and members are called (M§2.4.2–2.4.5). */

type Tone = 'ok' | 'warn' | 'bad' | 'brand' | 'mute'

/** 管理员 or 成员. */
export function roleWords(role: string): string {
  return role === 'administrator' ? '管理员' : '成员'
}

const STATES: Record<string, { text: string; tone: Tone }> = {
  draft: { text: '待提交', tone: 'warn' },
  checked: { text: '待法人核验', tone: 'warn' },
  verifying: { text: '核验中', tone: 'brand' },
  reviewing: { text: '人工审核中', tone: 'brand' },
  refused: { text: '已驳回', tone: 'bad' },
  verified: { text: '已实名', tone: 'ok' },
  ended: { text: '已结束', tone: 'mute' },
}

/** Where an application stands, as a chip. */
export function stateWords(state: string): { text: string; tone: Tone } {
  return STATES[state] ?? { text: '处理中', tone: 'mute' }
}

const METHODS: Record<string, string> = { phone: '法定代表人手机号认证', bank: '法定代表人银行卡认证', documents: '单位证件认证' }

/** How an enterprise was verified. */
export function methodWords(method: string): string {
  return METHODS[method] ?? '—'
}

/** Working time that is left (工作时间): 剩余 8 小时 20 分, in hours that officers work. */
export function workingTime(seconds: number): string {
  if (seconds <= 0) return '即将完成'
  const minutes = Math.max(1, Math.ceil(seconds / 60))
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  if (hours === 0) return `${rest} 分钟`
  return rest === 0 ? `${hours} 小时` : `${hours} 小时 ${rest} 分钟`
}
