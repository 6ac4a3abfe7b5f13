/** 待办: what waits, and where in this app it is done. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import type { RouteLocationRaw } from 'vue-router'
import { api, ok, type Schemas } from '@/api'
import type { IconName } from '@/kit/icons'
import { useMe } from '@/state/server'

type Todo = Schemas['TodoBody']

export interface Row {
  todo: Todo
  to: RouteLocationRaw
  icon: IconName
}

const ICONS: Record<Todo['kind'], IconName> = {
  recovery: 'repair', pin_locked: 'lock', key_lost: 'pin', realname: 'id', pay: 'wallet', install: 'download', set_pin: 'pin', expiring: 'calendar',
}

/** Where a to-do is done; undefined for a kind that this app does not know. */
function wayOf(t: Todo, recoveryHere: boolean): RouteLocationRaw | undefined {
  const a = t.action
  switch (a.kind) {
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
    to: `/certificates/${c.id}/install`,
    icon: 'download',
    todo: {
      kind: 'install', title: '完成证书安装', text: '证书已签发，在本机核对一次即可使用', urgency: 'now',
      action: { kind: 'install', label: '去完成', certificate: c.id },
    },
  }
}

/** The to-dos of the caller, most urgent first. */
export function useTodos() {
  const me = useMe()
  const query = useQuery({ queryKey: ['todos'], queryFn: () => ok(api.GET('/app/v1/todos')), enabled: computed(() => me.data.value !== undefined) })
  const rows: Ref<Row[]> = computed(() => {
    const here = me.data.value?.recovery?.here === true
    return (query.data.value?.todos ?? []).flatMap((todo) => {
      const to = wayOf(todo, here)
      return to ? [{ todo, to, icon: ICONS[todo.kind] ?? 'info' }] : []
    })
  })
  return { query, rows }
}
