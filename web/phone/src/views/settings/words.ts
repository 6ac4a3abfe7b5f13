import type { TextSize, Theme } from '@/state/display'

export const TEXT_SIZES: { value: TextSize; text: string }[] = [
  { value: 'normal', text: '标准' },
  { value: 'large', text: '大' },
  { value: 'huge', text: '特大' },
]

export const THEMES: { value: Theme; text: string }[] = [
  { value: 'auto', text: '跟随系统' },
  { value: 'light', text: '浅色' },
  { value: 'dark', text: '深色' },
]
