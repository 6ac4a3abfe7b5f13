/** 待办: what waits, where it is done, and how its button is called. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import type { RouteLocationRaw } from 'vue-router'
import { api, ok, type Schemas } from '@/api'
import type { IconName } from '@/kit/icons'

export type Todo = Schemas['TodoBody']

interface Way {
  to: RouteLocationRaw
  text: string
  icon: IconName
}

/** Where a to-do is done; undefined for a kind that this app does not know. */
export function wayOf(t: Todo): Way | undefined {
  const a = t.action
  switch (a.kind) {
    case 'realname':
      return { to: '/realname', text: '去认证', icon: 'id' }
    case 'pay':
      return a.order ? { to: `/orders/${a.order}`, text: '去支付', icon: 'wallet' } : undefined
    case 'install':
      return a.certificate ? { to: `/certificates/${a.certificate}/install`, text: '去安装', icon: 'download' } : undefined
    case 'pin':
      return { to: '/pin/set', text: '去设置', icon: 'pin' }
    case 'unlock':
      return { to: '/pin/unlock', text: '去解锁', icon: 'lock' }
    case 'recover':
      return { to: '/recover', text: '继续', icon: 'repair' }
    case 'certificate':
      return a.certificate ? { to: `/certificates/${a.certificate}`, text: '查看', icon: 'calendar' } : undefined
    default:
      return undefined
  }
}

/** The to-dos of the caller, most urgent first. */
export function useTodos(enabled: Ref<boolean>) {
  const query = useQuery({ queryKey: ['todos'], queryFn: () => ok(api.GET('/app/v1/todos')), enabled })
  const todos = computed(() => (query.data.value?.todos ?? []).filter((t) => wayOf(t) !== undefined))
  return { query, todos }
}
