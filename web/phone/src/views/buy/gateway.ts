/** The payment gateway of this house: the first one that the environment names. */
import type { QueryClient } from '@tanstack/vue-query'
import { api, ok } from '@/api'

export async function gatewayOf(queries: QueryClient): Promise<string> {
  const e = await queries.fetchQuery({ queryKey: ['environment'], queryFn: () => ok(api.GET('/app/v1/environment')), staleTime: 600_000 })
  return e.gateways?.[0] ?? ''
}
