import { ref } from 'vue'

/** False while the browser has no network: lists stay readable, actions wait. */
export const online = ref(navigator.onLine)
addEventListener('online', () => {
  online.value = true
})
addEventListener('offline', () => {
  online.value = false
})
