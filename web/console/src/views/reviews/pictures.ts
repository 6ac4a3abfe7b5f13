import { onScopeDispose, reactive, watch, type Ref } from 'vue'
import { picture } from '@/api'

export interface Picture {
  url?: string
  error?: unknown
}

/**
 * The pictures of the review that is shown. Each is asked for once: the server
 * records every look. They leave memory with their review.
 */
export function usePictures(id: Ref<string | undefined>) {
  const held = reactive(new Map<string, Picture>())
  let stop = new AbortController()

  function drop() {
    stop.abort()
    stop = new AbortController()
    for (const p of held.values()) if (p.url) URL.revokeObjectURL(p.url)
    held.clear()
  }
  watch(id, drop)
  onScopeDispose(drop)

  /** Asks for a picture that is not there yet. */
  function want(kind: string) {
    const review = id.value
    if (!review || (held.has(kind) && !held.get(kind)!.error)) return
    const { signal } = stop
    held.set(kind, {})
    picture(`/console/v1/reviews/${encodeURIComponent(review)}/pictures/${kind}`, signal).then(
      (url) => (signal.aborted ? URL.revokeObjectURL(url) : held.set(kind, { url })),
      (error) => signal.aborted || held.set(kind, { error }),
    )
  }

  return { held, want }
}

export type Pictures = ReturnType<typeof usePictures>
