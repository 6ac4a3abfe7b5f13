// How dates, amounts and numbers are written (docs/manual): one place, so that
// every screen writes them alike. The service's zone is China Standard Time.

const zone = 'Asia/Shanghai'

function parts(at: Date): Record<string, string> {
  const f = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
  })
  return Object.fromEntries(f.formatToParts(at).map((p) => [p.type, p.value]))
}

type When = string | Date | null | undefined

/** Go's zero time counts as no time. */
export function toDate(when: When): Date | undefined {
  if (!when) return undefined
  const d = typeof when === 'string' ? new Date(when) : when
  return Number.isNaN(d.getTime()) || d.getUTCFullYear() < 1971 ? undefined : d
}

/** 2026-11-23 */
export function day(when: When): string {
  const d = toDate(when)
  if (!d) return '—'
  const p = parts(d)
  return `${p.year}-${p.month}-${p.day}`
}

/** 2026-11-23 14:00 */
export function dateTime(when: When): string {
  const d = toDate(when)
  if (!d) return '—'
  const p = parts(d)
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}`
}

/** 2026-11-23 14:00:05, for receipts. */
export function dateTimeSeconds(when: When): string {
  const d = toDate(when)
  return d ? `${dateTime(d)}:${parts(d).second}` : '—'
}

/** 14:00 */
export function clock(when: When): string {
  const d = toDate(when)
  if (!d) return '—'
  const p = parts(d)
  return `${p.hour}:${p.minute}`
}

/** In lists: 刚刚, 10 分钟前 under an hour, 今天 09:42, 昨天 09:42, 11-22, 2025-11-22. */
export function listTime(when: When, now: Date = new Date()): string {
  const d = toDate(when)
  if (!d) return '—'
  const minutes = Math.floor((now.getTime() - d.getTime()) / 60_000)
  if (minutes >= 0 && minutes < 1) return '刚刚'
  if (minutes >= 1 && minutes < 60) return `${minutes} 分钟前`
  if (day(d) === day(now)) return `今天 ${clock(d)}`
  if (day(d) === day(new Date(now.getTime() - 86_400_000))) return `昨天 ${clock(d)}`
  return day(d).slice(0, 4) === day(now).slice(0, 4) ? day(d).slice(5) : day(d)
}

/** Head of a group of days: 今天, 昨天, 11 月 22 日, 2025 年 11 月 22 日. */
export function dayHead(when: When, now: Date = new Date()): string {
  const d = toDate(when)
  if (!d) return '—'
  if (day(d) === day(now)) return '今天'
  if (day(d) === day(new Date(now.getTime() - 86_400_000))) return '昨天'
  const p = parts(d)
  const short = `${Number(p.month)} 月 ${Number(p.day)} 日`
  return day(d).slice(0, 4) === day(now).slice(0, 4) ? short : `${p.year} 年 ${short}`
}

/** Whole days from now until then, rounded up; negative when past. */
export function daysUntil(when: When, now: Date = new Date()): number {
  const d = toDate(when)
  return d ? Math.ceil((d.getTime() - now.getTime()) / 86_400_000) : 0
}

/** ¥32,100.00; fen is an integer. */
export function money(fen: number): string {
  const sign = fen < 0 ? '−' : ''
  const n = Math.abs(fen)
  return `${sign}¥${Math.floor(n / 100).toLocaleString('en-US')}.${String(n % 100).padStart(2, '0')}`
}

/** A unit price: ¥200, or ¥199.50. */
export function price(fen: number): string {
  return fen % 100 === 0 ? `¥${(fen / 100).toLocaleString('en-US')}` : money(fen)
}

/** Serials, hashes and codes in groups of four. */
export function groups(text: string | undefined): string {
  return (text ?? '').replace(/\s+/g, '').replace(/(.{4})(?=.)/g, '$1 ')
}

/** The last four characters of a serial, upper case: 尾号. */
export function tail(serial: string | undefined): string {
  return (serial ?? '').slice(-4).toUpperCase()
}

/** 1.2 MB, 340 KB */
export function fileSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} 字节`
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)} KB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}

/** Base64 to hex in capitals, as the platforms write digests. */
export function hexOf(base64: string | undefined): string {
  if (!base64) return ''
  return Array.from(atob(base64), (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('').toUpperCase()
}

/** 1:42 */
export function minutesSeconds(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
}
