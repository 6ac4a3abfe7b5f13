import { ElMessage } from 'element-plus'
import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import { has, load, session, signedIn, unreachable, type Role } from './state/officer'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a sign-in. */
    open?: boolean
    /** Who may see it; nobody else's server answers would fill it. Absent: every officer. */
    roles?: Role[]
    title?: string
  }
}

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/login', component: () => import('./views/login/LoginView.vue'), meta: { open: true, title: '登录' } },
    {
      path: '/',
      component: () => import('./layout/ConsoleLayout.vue'),
      children: [
        { path: '', component: () => import('./views/NotFoundView.vue'), beforeEnter: () => firstPage() },
        { path: 'overview', component: () => import('./views/overview/OverviewView.vue'), meta: { title: '运行总览', roles: ['verifier', 'operator', 'auditor', 'super'] } },
        { path: 'reviews/:id?', component: () => import('./views/reviews/ReviewsView.vue'), meta: { title: '实名审核', roles: ['verifier'] } },
        { path: 'people', component: () => import('./views/people/PeopleView.vue'), meta: { title: '用户与企业', roles: ['operator', 'verifier'] } },
        { path: 'people/accounts/:id', component: () => import('./views/people/AccountView.vue'), meta: { title: '用户', roles: ['operator', 'verifier'] } },
        { path: 'people/enterprises/:id', component: () => import('./views/people/EnterpriseView.vue'), meta: { title: '企业', roles: ['operator', 'verifier'] } },
        { path: 'limits', component: () => import('./views/sms/LimitsView.vue'), meta: { title: '短信限额', roles: ['operator'] } },
        { path: 'callbacks', component: () => import('./views/callbacks/CallbacksView.vue'), meta: { title: '平台回调', roles: ['operator'] } },
        { path: 'audit', component: () => import('./views/audit/AuditView.vue'), meta: { title: '审计日志', roles: ['auditor', 'super'] } },
        { path: 'officers', component: () => import('./views/officers/OfficersView.vue'), meta: { title: '后台人员', roles: ['super'] } },
        { path: 'me', component: () => import('./views/me/MeView.vue'), meta: { title: '我的账号' } },
        { path: ':rest(.*)*', component: () => import('./views/NotFoundView.vue'), meta: { title: '没有这个页面' } },
      ],
    },
  ],
})

/** Where an officer begins: a verifier with his queue. */
function firstPage(): string {
  if (has('verifier')) return '/reviews'
  if (has('operator')) return '/overview'
  if (has('auditor')) return '/audit'
  return has('super') ? '/officers' : '/me'
}

/** Where a sign-in leads back to; only a path of this console. */
export function destination(to: RouteLocationNormalized): string {
  const path = to.query.to
  return typeof path === 'string' && path.startsWith('/') && !path.startsWith('//') ? path : '/'
}

router.beforeEach(async (to) => {
  if (session.value === undefined) {
    unreachable.value = undefined
    try {
      await load()
    } catch (e) {
      unreachable.value = e
      return false
    }
  }
  if (!signedIn.value && !to.meta.open) return { path: '/login', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
  if (signedIn.value && to.path === '/login') return destination(to)
  return true
})

// The code of a page could not be fetched: the network is gone, or a newer version is served.
router.onError(() => ElMessage.error('页面没有加载成功，请检查网络后刷新浏览器'))

router.afterEach((to) => {
  document.title = to.meta.title ? `${to.meta.title} · 天威通运营控制台` : '天威通运营控制台'
})
