import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  base: '/',
  resolve: { alias: { '@': at('./src'), '@twt/shared': at('../shared/src') } },
  plugins: [vue()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700, // the charts, loaded by the overview alone
  },
  server: { port: 5184, proxy: { '/console': process.env['TWT_CONSOLE'] ?? 'http://127.0.0.1:8084' } },
})
