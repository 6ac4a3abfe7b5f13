/** How reviews are put into words. */

export const kindNames: Record<string, string> = { create: '新建企业', change: '信息变更' }
export const stateNames: Record<string, string> = { verified: '已通过', refused: '已驳回', ended: '已撤回', reviewing: '审核中' }
export const methodNames: Record<string, string> = { phone: '法定代表人手机号', bank: '法定代表人银行卡', documents: '单位证件' }

/** Working time until a deadline: 还剩 2 时 14 分, 已超时 1 时 05 分. */
export function leftText(seconds: number): string {
  const minutes = Math.floor(Math.abs(seconds) / 60)
  const h = Math.floor(minutes / 60)
  const m = minutes % 60
  const span = h ? `${h} 时 ${String(m).padStart(2, '0')} 分` : `${m} 分`
  return seconds < 0 ? `已超时 ${span}` : `还剩 ${span}`
}

/** What happened to an application, by the stable name of the event. */
const events: Record<string, string> = {
  submitted: '提交审核', claimed: '开始审核', released: '放回队列', escalated: '转复核', verified: '通过', refused: '驳回', withdrawn: '撤回申请', ended: '结束申请',
}
export const eventText = (kind: string) => events[kind] ?? kind

/** Who did it, where no officer is named. */
export const eventActor = (kind: string) => (kind === 'ended' ? '系统' : '申请人')
