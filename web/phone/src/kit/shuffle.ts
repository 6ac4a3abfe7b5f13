/** A whole number below n, each as likely: what would favour some is drawn anew. */
function below(n: number): number {
  const limit = Math.floor(0x1_0000_0000 / n) * n
  const word = new Uint32Array(1)
  do crypto.getRandomValues(word)
  while (word[0]! >= limit)
  return word[0]! % n
}

/** The items in a random order that nobody can guess (Fisher–Yates). */
export function shuffled<T>(items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}
