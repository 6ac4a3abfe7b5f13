import { defineStore } from 'pinia'
import { ref, watchEffect } from 'vue'

export type Theme = 'auto' | 'light' | 'dark'
export type TextSize = 'normal' | 'large' | 'huge'

function stored<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  try {
    const v = localStorage.getItem(key) as T | null
    return v && allowed.includes(v) ? v : otherwise
  } catch {
    return otherwise
  }
}

/** 显示与大字: theme, text size and reading results aloud, kept on this device. */
export const useDisplay = defineStore('display', () => {
  const theme = ref(stored<Theme>('twt-theme', ['auto', 'light', 'dark'], 'auto'))
  const text = ref(stored<TextSize>('twt-text', ['normal', 'large', 'huge'], 'normal'))
  const voice = ref(stored('twt-voice', ['on', 'off'], 'off'))
  const dark = ref(false)
  const camera = ref(0)
  const system = matchMedia('(prefers-color-scheme: dark)')
  const systemDark = ref(system.matches)
  system.addEventListener('change', (e) => {
    systemDark.value = e.matches
  })

  watchEffect(() => {
    dark.value = camera.value > 0 || theme.value === 'dark' || (theme.value === 'auto' && systemDark.value)
    const root = document.documentElement
    if (dark.value) root.dataset.theme = 'dark'
    else delete root.dataset.theme
    if (text.value === 'normal') delete root.dataset.text
    else root.dataset.text = text.value
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', dark.value ? '#0d1017' : '#0e3a8c')
    try {
      localStorage.setItem('twt-theme', theme.value)
      localStorage.setItem('twt-text', text.value)
      localStorage.setItem('twt-voice', voice.value)
    } catch {
      // A browser that keeps nothing shows the default next time.
    }
  })

  /** Keeps the page dark around a camera's picture; the result ends that. */
  function keepDark(): () => void {
    camera.value++
    let on = true
    return () => {
      if (on) camera.value--
      on = false
    }
  }

  /** Reads a result aloud where the user wants it. */
  function say(words: string) {
    if (voice.value === 'on' && 'speechSynthesis' in window) {
      const u = new SpeechSynthesisUtterance(words)
      u.lang = 'zh-CN'
      speechSynthesis.speak(u)
    }
  }

  return { theme, text, voice, dark, keepDark, say }
})
