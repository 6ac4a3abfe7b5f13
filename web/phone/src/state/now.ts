/** The server's clock, ticking for what counts down; a phone's own may be wrong. */
import { onBeforeUnmount, ref, type Ref } from 'vue'
import { serverNow } from '@twt/shared/api/device'

/** The server's time in milliseconds, once a second while the component lives. */
export function useNow(): Ref<number> {
  const now = ref(Date.now())
  const tick = () => void serverNow().then((t) => {
    now.value = t
  })
  tick()
  const timer = window.setInterval(tick, 1000)
  const shown = () => {
    if (!document.hidden) tick()
  }
  document.addEventListener('visibilitychange', shown)
  onBeforeUnmount(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', shown)
  })
  return now
}
