/** One's own requests to join an enterprise (加入申请). */
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, ok } from '@/api'
import { useSession } from '@/state/session'

export function useRequests() {
  const session = useSession()
  return useQuery({ queryKey: ['requests', 'mine'], queryFn: () => ok(api.GET('/app/v1/enterprises/requests')), enabled: computed(() => session.signedIn) })
}

type Tone = 'ok' | 'warn' | 'bad' | 'brand' | 'mute'

/** Where a request stands, as a chip. */
export function requestWords(state: string): { text: string; tone: Tone } {
  switch (state) {
    case 'open': return { text: '待审核', tone: 'brand' }
    case 'accepted': return { text: '已同意', tone: 'ok' }
    case 'refused': return { text: '已拒绝', tone: 'bad' }
    case 'withdrawn': return { text: '已撤回', tone: 'mute' }
    default: return { text: '已结束', tone: 'mute' }
  }
}
