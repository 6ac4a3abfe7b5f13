/**
 * Live updates: one signed stream a tab says what changed, and the screens read
 * it anew. Closed while the page is hidden; without it they read when shown.
 */
import { useQueryClient } from '@tanstack/vue-query'
import { onBeforeUnmount, watch } from 'vue'
import { signedFetch } from '@twt/shared/api/device'
import { heard } from '@/api'
import { identity } from './identity'
import { useSession } from './session'

const KEYS: Record<string, string[]> = {
  certificates: ['certificates', 'platforms', 'todos'],
  orders: ['orders', 'todos', 'certificates'],
  notices: ['notices', 'me'],
  scan: ['scans'],
  recovery: ['me', 'recovery', 'todos'],
  realname: ['me', 'realname', 'todos'],
  session: ['me'],
  enterprise: ['identities', 'enterprises', 'applications', 'requests', 'invitations', 'todos'],
}

export function useLive() {
  const session = useSession()
  const queries = useQueryClient()
  let stop: AbortController | undefined
  let again: number | undefined
  let wait = 1000

  async function open() {
    close()
    if (!session.signedIn || document.hidden) return
    const here = new AbortController()
    stop = here
    const as = identity.value
    try {
      const response = await heard(await signedFetch('GET', as ? `/events?as=${as}` : '/events', null, undefined, { signal: here.signal, headers: { Accept: 'text/event-stream' } }), as)
      if (!response.ok || !response.body) return
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        wait = 1000
        rest += value
        const events = rest.split('\n\n')
        rest = events.pop() ?? ''
        for (const e of events) changed(e)
      }
    } catch {
      // A stream that breaks is opened again below.
    }
    if (stop === here) {
      again = window.setTimeout(() => void open(), wait)
      wait = Math.min(wait * 2, 30_000)
    }
  }

  function changed(event: string) {
    const data = /^data: ?(.*)$/m.exec(event)?.[1]
    if (!data) return
    try {
      const { what } = JSON.parse(data) as { what?: string }
      for (const key of KEYS[what ?? ''] ?? []) void queries.invalidateQueries({ queryKey: [key] })
    } catch {
      // Not one of ours.
    }
  }

  function close() {
    clearTimeout(again)
    stop?.abort()
    stop = undefined
  }

  const shown = () => (document.hidden ? close() : void open())
  document.addEventListener('visibilitychange', shown)
  watch(() => session.account, () => {
    queries.clear()
    void open()
  }, { immediate: true })
  watch(identity, () => void open())
  onBeforeUnmount(() => {
    document.removeEventListener('visibilitychange', shown)
    close()
  })
}
