import '@twt/shared/theme.css'
import '@twt/shared/base.css'
import './theme/parts'
import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import { isProblem } from '@twt/shared/api/problem'
import App from './App.vue'
import { router } from './router'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // A refusal of the server is an answer; only a lost connection is worth another try.
      retry: (count, e) => count < 2 && isProblem(e, 'network_failed'),
    },
  },
})

createApp(App).use(router).use(VueQueryPlugin, { queryClient: queries }).mount('#app')
