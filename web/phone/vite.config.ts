import { fileURLToPath } from 'node:url'
import { existsSync } from 'node:fs'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: { alias: { '@': at('./src'), '@twt/shared': at('../shared/src') } },
  plugins: [
    vue(),
    VitePWA({
      registerType: 'prompt',
      injectRegister: false,
      manifest: false,
      strategies: 'generateSW',
      workbox: {
        // Neither the API nor the install page ever comes from a cache.
        navigateFallback: '/index.html',
        navigateFallbackDenylist: [/^\/app\//, /^\/notify\//, /^\/get/],
        globPatterns: ['index.html', 'assets/*.{js,css}', 'icons/*.{svg,png}'],
        globIgnores: ['**/face-*', '**/zxing*', 'get.html'],
        // In one file: importScripts of another would want a Trusted Types policy.
        inlineWorkboxRuntime: true,
        cleanupOutdatedCaches: true,
        clientsClaim: false,
        skipWaiting: false,
        runtimeCaching: [
          {
            // Named by their content: the same name is the same bytes for ever.
            urlPattern: ({ url, sameOrigin }) => sameOrigin && /^\/(assets|core)\/.*-[\w-]{8,}\.[a-z0-9]+$/.test(url.pathname),
            handler: 'CacheFirst',
            options: { cacheName: 'twt-immutable', expiration: { maxEntries: 60 } },
          },
        ],
      },
    }),
  ],
  worker: { format: 'es' },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1400, // the face detector, loaded by its screen alone; web/budget_test.go weighs the first screen
    rollupOptions: {
      checks: { pluginTimings: false },
      // One file for what the first screen needs: a phone fetches six at a time.
      // The entry itself stays apart, because the install page shares modules with it.
      output: { codeSplitting: { groups: [{ name: 'first', tags: ['$initial'], test: /\/node_modules\/|preload-helper|\/shared\/src\/.*\.ts$|\/phone\/src\/(?!get\/|main\.ts)/ }] } },
      input: Object.fromEntries(
        [['index', at('./index.html')], ['get', at('./get.html')]].filter(([, f]) => existsSync(f!)),
      ),
    },
  },
  server: {
    port: 5173,
    proxy: { '/app': process.env['TWT_API'] ?? 'http://127.0.0.1:8080' },
  },
})
