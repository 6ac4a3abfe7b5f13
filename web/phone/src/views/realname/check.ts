/**
 * The check that runs, by account, so that a reload comes back to it: the
 * server knows it by its number only.
 */
const KEY = 'twt-realname'

export function rememberCheck(account: string, id: string) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ account, id }))
  } catch {
    // Then a reload begins with the form.
  }
}

export function rememberedCheck(account: string): string | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as { account?: unknown; id?: unknown } | null
    return kept?.account === account && typeof kept.id === 'string' ? kept.id : undefined
  } catch {
    return undefined
  }
}

export function forgetCheck() {
  try {
    localStorage.removeItem(KEY)
  } catch {
    // Nothing was kept.
  }
}
