import { computed, ref, watchEffect } from 'vue'

export type Theme = 'auto' | 'light' | 'dark'

const key = 'twt-console-theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const systemDark = ref(system.matches)
system.addEventListener('change', (e) => (systemDark.value = e.matches))

function stored(): Theme {
  try {
    const v = localStorage.getItem(key)
    return v === 'light' || v === 'dark' ? v : 'auto'
  } catch {
    return 'auto'
  }
}

/** Light, dark, or as the system has it. */
export const theme = ref<Theme>(stored())
export const dark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && systemDark.value))

watchEffect(() => {
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light'
  try {
    localStorage.setItem(key, theme.value)
  } catch {
    // A browser that keeps nothing follows the system next time.
  }
})

/** The next of the three. */
export function turn() {
  theme.value = theme.value === 'auto' ? 'light' : theme.value === 'light' ? 'dark' : 'auto'
}
