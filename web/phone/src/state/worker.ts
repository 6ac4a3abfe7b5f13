/** The service worker: it keeps the app's own files, never the API's answers. */
import { ref } from 'vue'
import { busy } from './busy'
import { scriptURL } from '@/trusted'

/** True once a newer version waits to be taken. */
export const waiting = ref(false)
let registration: ServiceWorkerRegistration | undefined

async function register() {
  try {
    registration = await navigator.serviceWorker.register(scriptURL('/sw.js'), { updateViaCache: 'none' })
  } catch {
    return // Without it the app works as a page.
  }
  if (!registration) return // a browser that is told to keep no workers resolves with nothing
  const watch = (w: ServiceWorker | null) =>
    w?.addEventListener('statechange', () => {
      if (w.state === 'installed' && navigator.serviceWorker.controller) waiting.value = true
    })
  if (registration.waiting && navigator.serviceWorker.controller) waiting.value = true
  watch(registration.installing)
  registration.addEventListener('updatefound', () => watch(registration!.installing))
}

if (import.meta.env.PROD && 'serviceWorker' in navigator) addEventListener('load', () => void register())

/** Takes the version that waits and loads the page anew; refused while busy. */
export function update() {
  if (busy.value || !registration?.waiting) return
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
  registration.waiting.postMessage({ type: 'SKIP_WAITING' })
}
