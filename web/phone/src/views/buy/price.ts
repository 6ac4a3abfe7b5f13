/** A CA's price list, read for one certificate. Amounts are fen (分). */
import type { Schemas } from '@/api'

export interface Quote {
  years: number
  total: number
  /** What the years cost one by one; undefined if one year has no price. */
  full: number | undefined
  perYear: number | undefined
}

/** The terms of a certificate that a CA sells, shortest first. */
export function quotes(i: Schemas['InstitutionBody']): Quote[] {
  const prices = (i.prices ?? []).filter((p) => p.kind === 'certificate').sort((a, b) => a.years - b.years)
  const one = prices.find((p) => p.years === 1)?.fen
  return prices.map((p) => ({ years: p.years, total: p.fen, perYear: one, full: one === undefined ? undefined : one * p.years }))
}
