/** 待办: what waits, and where in this app it is done. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import type { RouteLocationRaw } from 'vue-router'
import { api, ok, type Schemas } from '@/api'
import type { IconName } from '@/kit/icons'
import { useMe } from '@/state/server'

type Todo = Schemas['TodoBody']

export interface Row {
  key: string
  kind: Todo['kind'] | 'scan' | 'finish'
  title: string
  text: string
  /** What the button says and where it leads. */
  label: string
  to: RouteLocationRaw
  icon: IconName
  urgent: boolean
  /** Until when it can be done; counted down. */
  until?: string
}

const ICONS: Partial<Record<string, IconName>> = {
  recovery: 'repair', pin_locked: 'lock', key_lost: 'pin', realname: 'id', pay: 'wallet', install: 'download', set_pin: 'pin', expiring: 'calendar',
  join_requests: 'people', invitation: 'invite', enterprise_review: 'enterprise', enterprise_refused: 'enterprise', enterprise_draft: 'enterprise',
}

/** Where a to-do is done; undefined for a kind that this app does not know. */
function wayOf(t: Todo, recoveryHere: boolean): RouteLocationRaw | undefined {
  const a = t.action
  switch (a.kind) {
    case 'join_requests':
      return a.enterprise && `/enterprises/${a.enterprise}/members?tab=requests`
    case 'invitation':
      return '/invitations'
    case 'application':
      return a.application && `/enterprises/applications/${a.application}`
    case 'realname':
      return '/realname'
    case 'pay':
      return a.order && `/orders/${a.order}`
    case 'install':
      return a.certificate && `/certificates/${a.certificate}/install`
    case 'set_pin':
      return '/pin/set'
    case 'unlock':
      return '/pin/unlock'
    case 'recover':
      return { path: '/recover', query: { reason: t.kind === 'pin_locked' ? 'pin' : 'lost' } }
    case 'recovery':
      // The phone that was replaced answers on the first screen.
      return recoveryHere ? '/recover' : '/'
    case 'certificate':
      return a.certificate && `/certificates/${a.certificate}`
  }
}

/** An installation that only this phone knows to be unfinished. */
export function toFinish(c: Schemas['CertificateBody']): Row {
  return {
    key: `finish-${c.id}`, kind: 'finish', title: '完成证书安装', text: '证书已签发，在本机核对一次即可使用', label: '去完成',
    to: `/certificates/${c.id}/install`, icon: 'download', urgent: true,
  }
}

/** A business that was scanned here and waits for its confirmation. */
export function toConfirm(s: Schemas['Scan'], what: string): Row {
  return {
    key: `scan-${s.id}`, kind: 'scan', title: `您有一笔未完成的扫码${what}`, text: s.platform.name, label: '继续',
    to: `/scan/${s.id}`, icon: 'scan', urgent: true, until: s.expiresAt,
  }
}

/** The to-dos of the caller, most urgent first. */
export function useTodos() {
  const me = useMe()
  const query = useQuery({ queryKey: ['todos'], queryFn: () => ok(api.GET('/app/v1/todos')), enabled: computed(() => me.data.value !== undefined) })
  const rows: Ref<Row[]> = computed(() => {
    const here = me.data.value?.recovery?.here === true
    return (query.data.value?.todos ?? []).flatMap((t, i): Row[] => {
      const to = wayOf(t, here)
      if (!to) return []
      const row: Row = { key: `${t.kind}-${i}`, kind: t.kind, title: t.title, text: t.text, label: t.action.label, to, icon: ICONS[t.kind] ?? 'info', urgent: t.urgency === 'now' }
      return [t.kind === 'pay' && t.until ? { ...row, until: t.until } : row]
    })
  })
  return { query, rows }
}
