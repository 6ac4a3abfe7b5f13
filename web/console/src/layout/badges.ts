import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, ok } from '@/api'
import { has, session } from '@/state/officer'

/** What waits for this officer, by the path of the page that shows it. */
export function useBadges() {
  const proposals = useQuery({
    queryKey: ['proposals'],
    queryFn: () => ok(api.GET('/console/v1/proposals')),
    enabled: () => has('super'),
    refetchInterval: 60_000,
  })
  return computed<Record<string, number>>(() => ({
    '/officers': proposals.data.value?.proposals?.filter((p) => p.decidable).length ?? 0,
    ...(session.value ? {} : {}),
  }))
}
