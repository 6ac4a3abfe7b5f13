import '@twt/shared/theme.css'
import '@twt/shared/base.css'
import { createApp } from 'vue'
import App from './App.vue'

createApp(App).mount('#app')
