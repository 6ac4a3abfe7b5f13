/** What a browser keeps of an officer's taste. One that keeps nothing begins anew each time. */
export function kept(name: string): string | undefined {
  try {
    return localStorage.getItem(`twt-console-${name}`) ?? undefined
  } catch {
    return undefined
  }
}

export function keep(name: string, value: string) {
  try {
    localStorage.setItem(`twt-console-${name}`, value)
  } catch {
    // Taste is no business.
  }
}
