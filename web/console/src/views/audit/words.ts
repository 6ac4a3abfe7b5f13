/** Who stands behind an entry: an officer by his name if it is known, else as the chain names him. */
export function actorText(actor: string, officers: Map<string, string>): string {
  if (actor === 'system' || actor === '') return '系统'
  const [kind, id] = actor.split(/:(.*)/s)
  if (kind === 'officer' && id) return officers.get(id) ?? `后台人员 ${id}`
  if (kind === 'platform' && id) return `平台 ${id}`
  return actor
}

/** The detail with one member a line; what is no JSON as it is. */
export function pretty(detail: string): string {
  if (!detail) return '—'
  try {
    return JSON.stringify(JSON.parse(detail), null, 2)
  } catch {
    return detail
  }
}

/** The moments that two calendar days in China begin and end; absent ones are left out. */
export function boundsOf(from: string, to: string): { from?: string; to?: string } {
  const day = /^\d{4}-\d{2}-\d{2}$/
  return {
    ...(day.test(from) && { from: `${from}T00:00:00+08:00` }),
    ...(day.test(to) && { to: `${to}T23:59:59.999+08:00` }),
  }
}
