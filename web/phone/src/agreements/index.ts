/**
 * The documents that users agree to, as the app shows them. A new version is a
 * new file beside the old one: who agreed to a version can still read it.
 */
export interface Table {
  head: string[]
  rows: string[][]
}
export type Block = string | { list: string[] } | { table: Table }

export interface Agreement {
  document: string
  version: string
  title: string
  /** 生效日期, 2026-11-01. */
  effective: string
  /** What matters most, in a few sentences before the text. */
  summary: string[]
  sections: { heading: string; blocks: Block[] }[]
}

type Load = () => Promise<{ default: Agreement }>

/** Document → version → its text; the last version is the current one. */
export const AGREEMENTS: Record<string, Record<string, Load>> = {
  user: { '2026-11': () => import('./user-2026-11') },
  privacy: { '2026-11': () => import('./privacy-2026-11') },
  face: { '2026-11': () => import('./face-2026-11') },
}

/** The text of a document in a version; without one, in the current version. */
export async function agreement(document: string, version?: string): Promise<Agreement | undefined> {
  const versions = AGREEMENTS[document]
  if (!versions) return undefined
  const load = version === undefined ? Object.values(versions).at(-1) : versions[version]
  return load ? (await load()).default : undefined
}
