/** The groups of notices (docs/notices.md), as screens call them. */
import type { IconName } from '@/kit/icons'

export const GROUPS: { group: string; text: string; icon: IconName; about: string }[] = [
  { group: 'enterprise', text: '企业', icon: 'enterprise', about: '企业实名、成员、邀请与管理员变更' },
  { group: 'certificate', text: '证书', icon: 'certificate', about: '证书安装、吊销与签名' },
  { group: 'order', text: '订单', icon: 'order', about: '支付、退款' },
  { group: 'account', text: '账号安全', icon: 'shield', about: '登录、PIN 码、手机号与补办恢复' },
  { group: 'system', text: '系统', icon: 'info', about: '服务公告' },
]

/** What a group is called and its icon; one that this version does not know is 系统. */
export function groupOf(group: string) {
  return GROUPS.find((g) => g.group === group) ?? GROUPS.at(-1)!
}

/** Paths of this app that notices lead to. */
const LEADS = /^\/(orders|certificates|usage|pin|settings|realname|enterprises|invitations|todos|recover)(\/|$|\?)/

/** Where a notice's link leads in this app; undefined where there is nothing to see. */
export function leadsTo(link: string | undefined, recovery: { here: boolean } | undefined): string | undefined {
  const path = link ?? ''
  if (path.startsWith('/recoveries/')) return recovery?.here ? '/recover' : recovery ? '/' : undefined
  return LEADS.test(path) ? path : undefined
}
