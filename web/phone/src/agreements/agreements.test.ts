import { describe, expect, it } from 'vitest'
import wire from '../../../../internal/app/wire.go?raw'
import { AGREEMENTS, agreement } from './index'

// What the server asks everybody to agree to (internal/app/wire.go).
const asked = [...wire.matchAll(/\{Document: "([^"]+)", Version: "([^"]+)", Title: "([^"]+)"\}/g)].map(([, document, version, title]) => ({
  document: document!,
  version: version!,
  title: title!,
}))

it('reads what the server asks for', () => expect(asked.length).toBeGreaterThanOrEqual(2))

describe('every document that the server asks for has its page', () => {
  it.each(asked)('$document $version', async ({ document, version, title }) => {
    const text = await agreement(document, version)
    expect(text).toMatchObject({ document, version, title })
    expect(text).toEqual(await agreement(document))
  })
})

describe('every text is whole', () => {
  const all = Object.entries(AGREEMENTS).flatMap(([document, versions]) => Object.keys(versions).map((version) => [document, version] as const))
  it.each(all)('%s %s', async (document, version) => {
    const text = (await agreement(document, version))!
    expect(text).toMatchObject({ document, version })
    expect(text.effective).toMatch(/^\d{4}-\d{2}-\d{2}$/)
    expect(text.summary.length).toBeGreaterThan(0)
    expect(text.sections.length).toBeGreaterThanOrEqual(5)
    for (const s of text.sections) expect(s.blocks.length, s.heading).toBeGreaterThan(0)
    for (const t of text.sections.flatMap((s) => s.blocks)) {
      if (typeof t === 'object' && 'table' in t) for (const r of t.table.rows) expect(r).toHaveLength(t.table.head.length)
    }
  })
})

it('knows no document that nobody wrote', async () => {
  expect(await agreement('nothing')).toBeUndefined()
  expect(await agreement('user', '1999-01')).toBeUndefined()
})
