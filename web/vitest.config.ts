import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: { alias: { '@': at('./phone/src'), '@twt/shared': at('./shared/src') } },
  test: { include: ['{phone,shared,sandbox,console}/src/**/*.test.ts'], environment: 'node' },
})
