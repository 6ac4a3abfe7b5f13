/** When a certificate was last examined on this phone, and how it came out. */
export interface Checked {
  at: string
  good: boolean
}

const key = (certificate: string) => `twt-checked-${certificate}`

export function lastCheck(certificate: string): Checked | undefined {
  try {
    const v = JSON.parse(localStorage.getItem(key(certificate)) ?? 'null') as Checked | null
    return v && typeof v.at === 'string' && typeof v.good === 'boolean' ? v : undefined
  } catch {
    return undefined
  }
}

export function rememberCheck(certificate: string, c: Checked) {
  try {
    localStorage.setItem(key(certificate), JSON.stringify(c))
  } catch {
    // A browser that keeps nothing shows no earlier check.
  }
}
