import { computed, ref } from 'vue'

const running = ref(0)

/** True while something runs that a reload would break. */
export const busy = computed(() => running.value > 0)

/** Marks the start of such a thing; the result marks its end, once. */
export function hold(): () => void {
  running.value++
  let open = true
  return () => {
    if (open) running.value--
    open = false
  }
}
