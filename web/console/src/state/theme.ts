import { computed, ref, watchEffect } from 'vue'
import { keep, kept } from './kept'

export type Theme = 'auto' | 'light' | 'dark'

const system = matchMedia('(prefers-color-scheme: dark)')
const systemDark = ref(system.matches)
system.addEventListener('change', (e) => (systemDark.value = e.matches))

const before = kept('theme')

/** Light, dark, or as the system has it. */
export const theme = ref<Theme>(before === 'light' || before === 'dark' ? before : 'auto')
export const dark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && systemDark.value))

watchEffect(() => {
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light'
  keep('theme', theme.value)
})

/** The next of the three. */
export function turn() {
  theme.value = theme.value === 'auto' ? 'light' : theme.value === 'light' ? 'dark' : 'auto'
}
