import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, ok } from '@/api'
import { has } from '@/state/officer'

/** What waits for this officer, by the path of the page that shows it. */
export function useBadges() {
  const proposals = useQuery({
    queryKey: ['proposals'],
    queryFn: () => ok(api.GET('/console/v1/proposals')),
    enabled: () => has('super'),
    refetchInterval: 60_000,
  })
  const stats = useQuery({
    queryKey: ['stats', 1],
    queryFn: () => ok(api.GET('/console/v1/stats', { params: { query: { days: 1 } } })),
    enabled: () => has('verifier'),
    refetchInterval: 60_000,
  })
  return computed<Record<string, number>>(() => ({
    '/officers': proposals.data.value?.proposals?.filter((p) => p.decidable).length ?? 0,
    '/reviews': (stats.data.value?.waiting.open ?? 0) + (stats.data.value?.waiting.second ?? 0),
  }))
}
