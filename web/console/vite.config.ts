import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/**
 * The canvas that the charts are drawn on empties its element by innerHTML, which
 * Trusted Types refuse even for an empty string.
 */
function emptyWithoutHTML(): Plugin {
  return {
    name: 'empty-without-html',
    transform(code, id) {
      if (!id.endsWith('/zrender/lib/canvas/Painter.js')) return
      const changed = code.replaceAll("root.innerHTML = ''", 'root.replaceChildren()')
      if (changed === code || changed.includes('innerHTML')) this.error('zrender empties its element in another way now')
      return { code: changed, map: null }
    },
  }
}

export default defineConfig({
  base: '/',
  resolve: { alias: { '@': at('./src'), '@twt/shared': at('../shared/src') } },
  plugins: [vue(), emptyWithoutHTML()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700, // the charts, loaded by the pages that have some
  },
  server: { port: 5184, proxy: { '/console': process.env['TWT_CONSOLE'] ?? 'http://127.0.0.1:8084' } },
})
