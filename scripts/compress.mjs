// Writes the brotli and gzip forms of a build's files beside them. What was
// compressed once is kept by its content: the best brotli of the core takes
// some ten seconds, and most builds do not change it.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const text = new Set(['.html', '.js', '.mjs', '.css', '.svg', '.json', '.webmanifest', '.txt', '.wasm'])
const cache = new URL('../web/node_modules/.cache/twt-compressed/', import.meta.url)
mkdirSync(cache, { recursive: true })

const forms = {
  br: (b) =>
    brotliCompressSync(b, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_LGWIN]: 24,
        [constants.BROTLI_PARAM_SIZE_HINT]: b.length,
      },
    }),
  gz: (b) => gzipSync(b, { level: 9 }),
}

function compressed(content, form) {
  const kept = new URL(`${createHash('sha256').update(content).digest('hex')}.${form}`, cache)
  if (existsSync(kept)) return readFileSync(kept)
  const result = forms[form](content)
  writeFileSync(new URL(`${kept.href}.${process.pid}`), result)
  renameSync(new URL(`${kept.href}.${process.pid}`), kept)
  return result
}

for (const dir of process.argv.slice(2)) {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || entry.name.startsWith('.') || !text.has(extname(entry.name))) continue
    const content = readFileSync(path)
    if (content.length < 1024) continue
    for (const form of Object.keys(forms)) {
      const small = compressed(content, form)
      if (small.length < content.length) writeFileSync(`${path}.${form}`, small)
    }
  }
}
