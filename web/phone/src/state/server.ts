/** What the server says of itself and of the caller, as every screen reads it. */
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { setServerTime } from '@twt/shared/api/device'
import { api, ok, type Schemas } from '@/api'
import { useSession } from './session'

export type Me = Schemas['Me']

async function environment(): Promise<Schemas['Environment']> {
  const e = await ok(api.GET('/app/v1/environment'))
  setServerTime(e.serverTime).catch(() => undefined) // where nothing can be stored, this page knows it all the same
  return e
}

/** The environment: sandbox or not, agreements, support, the server's time, which this device takes over; public. */
export const environmentQuery = { queryKey: ['environment'], queryFn: environment, staleTime: 600_000 }

export function useEnvironment() {
  return useQuery(environmentQuery)
}

/** 我的: the account, its person, PIN, device and running recovery. */
export function useMe() {
  const session = useSession()
  return useQuery({ queryKey: ['me'], queryFn: () => ok(api.GET('/app/v1/me')), enabled: computed(() => session.signedIn) })
}
