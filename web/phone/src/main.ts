import '@twt/shared/theme.css'
import '@twt/shared/base.css'
import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { isProblem } from '@twt/shared/api/problem'
import App from './App.vue'
import { router } from './router'
import { keyOf } from './state/identity'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      queryKeyHashFn: keyOf,
      staleTime: 10_000,
      // A refusal of the server is an answer; only a lost connection is worth another try.
      retry: (count, e) => count < 2 && isProblem(e, 'network_failed'),
    },
  },
})

createApp(App).use(createPinia()).use(router).use(VueQueryPlugin, { queryClient: queries }).mount('#app')
