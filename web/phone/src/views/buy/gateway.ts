/** The payment gateway of this house: the first one that the environment names. */
import type { QueryClient } from '@tanstack/vue-query'
import { environmentQuery } from '@/state/server'

export async function gatewayOf(queries: QueryClient): Promise<string> {
  return (await queries.fetchQuery(environmentQuery)).gateways?.[0] ?? ''
}
