import { day } from '@twt/shared/format'

/** The spans of time of the records' filter. */
export type Span = '' | 'week' | 'month'

const DAYS = { week: 7, month: 30 } as const

/** The first day of a span that ends today, in the service's zone: 2026-11-17. */
export function since(span: Exclude<Span, ''>, now: Date = new Date()): string {
  return day(new Date(now.getTime() - (DAYS[span] - 1) * 86_400_000))
}
