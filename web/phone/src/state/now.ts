/** The server's clock, ticking for what counts down; a phone's own may be wrong. */
import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { clockOffset, serverNow } from '@twt/shared/api/device'
import { useEnvironment } from './server'

/** The server's time in milliseconds, once a second while the component lives. */
export function useNow(): Ref<number> {
  const now = ref(Date.now() + clockOffset())
  const tick = () => void serverNow().then((t) => {
    now.value = t
  })
  tick()
  watch(useEnvironment().dataUpdatedAt, tick) // a request is only refused for a clock that is minutes off
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
