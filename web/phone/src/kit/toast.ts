import { ref } from 'vue'

/** The one message that passes by; App.vue shows it in a live region. */
export const toastText = ref('')
let timer: number | undefined

/** Shows a short message for 3 s. */
export function toast(text: string) {
  toastText.value = text
  clearTimeout(timer)
  timer = window.setTimeout(() => {
    toastText.value = ''
  }, 3000)
}

/**
 * A short vibration where the phone has one: recognised, stamped, refused. Not
 * before the page was touched: the browser would refuse it and complain.
 */
export function buzz(pattern: number | number[]) {
  if (navigator.userActivation?.hasBeenActive ?? true) navigator.vibrate?.(pattern)
}

/** Copies text and says so. */
export async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text)
    toast('已复制')
  } catch {
    toast('无法自动复制，请长按选择文字')
  }
}
