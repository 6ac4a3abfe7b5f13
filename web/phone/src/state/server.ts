/** What the server says of itself and of the caller, as every screen reads it. */
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, ok, type Schemas } from '@/api'
import { useSession } from './session'

export type Me = Schemas['Me']

/** The environment: sandbox or not, agreements, support; public. */
export const environmentQuery = { queryKey: ['environment'], queryFn: () => ok(api.GET('/app/v1/environment')), staleTime: 600_000 }

export function useEnvironment() {
  return useQuery(environmentQuery)
}

/** 我的: the account, its person, PIN, device and running recovery. */
export function useMe() {
  const session = useSession()
  return useQuery({ queryKey: ['me'], queryFn: () => ok(api.GET('/app/v1/me')), enabled: computed(() => session.signedIn) })
}
