import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
// The two first screens come with the entry: asking for them afterwards would cost another round trip.
import HomeView from './views/home/HomeView.vue'
import LoginView from './views/login/LoginView.vue'
import { identity } from './state/identity'
import { useSession } from './state/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a login. */
    open?: boolean
    /** Has the bottom bar. */
    tab?: 'home' | 'platforms' | 'me'
    /** Done as oneself alone, until enterprises have certificates. */
    personal?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', component: HomeView, meta: { tab: 'home' } },
    { path: '/platforms', component: () => import('./views/platforms/PlatformsView.vue'), meta: { tab: 'platforms' } },
    { path: '/me', component: () => import('./views/me/MeView.vue'), meta: { tab: 'me' } },

    // Sign-in, the agreements, help (2.2, 2.3.d)
    { path: '/login', component: LoginView, meta: { open: true } },
    { path: '/password/reset', component: () => import('./views/login/PasswordResetView.vue'), meta: { open: true } },
    { path: '/agreements/:document', component: () => import('./views/agreements/AgreementView.vue'), meta: { open: true } },
    { path: '/help', component: () => import('./views/help/HelpView.vue'), meta: { open: true } },

    // Real-name (2.4.1) and settings
    { path: '/realname', component: () => import('./views/realname/RealnameView.vue') },
    { path: '/settings', component: () => import('./views/settings/SettingsView.vue') },
    { path: '/settings/phone', component: () => import('./views/settings/PhoneView.vue') },
    { path: '/settings/phone/face', component: () => import('./views/settings/PhoneFaceView.vue') },
    { path: '/settings/notices', component: () => import('./views/notices/NoticeSettingsView.vue') },
    { path: '/settings/password', component: () => import('./views/settings/PasswordView.vue') },
    { path: '/settings/devices', component: () => import('./views/settings/DevicesView.vue') },
    { path: '/settings/close', component: () => import('./views/settings/CloseView.vue') },
    { path: '/settings/display', component: () => import('./views/settings/DisplayView.vue') },

    // Enterprises and their members (2.4.2–2.4.5)
    { path: '/enterprises', component: () => import('./views/enterprise/EnterprisesView.vue') },
    { path: '/enterprises/find', component: () => import('./views/enterprise/FindView.vue') },
    { path: '/enterprises/create', component: () => import('./views/enterprise/CreateView.vue') },
    { path: '/enterprises/applications/:id', component: () => import('./views/enterprise/ApplicationView.vue') },
    { path: '/enterprises/join/:id', component: () => import('./views/enterprise/JoinView.vue') },
    { path: '/enterprises/requests', component: () => import('./views/enterprise/RequestsView.vue') },
    { path: '/enterprises/:id', component: () => import('./views/enterprise/EnterpriseView.vue') },
    { path: '/enterprises/:id/change', component: () => import('./views/enterprise/CreateView.vue') },
    { path: '/enterprises/:id/members', component: () => import('./views/members/MembersView.vue') },
    { path: '/enterprises/:id/invite', component: () => import('./views/members/InviteView.vue') },
    { path: '/enterprises/:id/transfer', component: () => import('./views/members/TransferView.vue') },
    { path: '/personal', component: () => import('./views/identity/PersonalView.vue') },
    { path: '/invitations', component: () => import('./views/members/InvitationsView.vue') },
    { path: '/i', component: () => import('./views/members/InvitationView.vue'), meta: { open: true } },

    // Platforms and buying (2.6)
    { path: '/platforms/:code', component: () => import('./views/platforms/PlatformView.vue') },
    { path: '/wish', component: () => import('./views/platforms/WishView.vue') },
    { path: '/buy/:platform', component: () => import('./views/buy/CheckoutView.vue'), meta: { personal: true } },
    { path: '/orders/:id', component: () => import('./views/buy/OrderView.vue') },

    // Certificates (2.7)
    { path: '/certificates', component: () => import('./views/certificates/CertificatesView.vue') },
    { path: '/certificates/:id', component: () => import('./views/certificates/CertificateView.vue') },
    { path: '/certificates/:id/install', component: () => import('./views/certificates/InstallView.vue'), meta: { personal: true } },
    { path: '/certificates/:id/check', component: () => import('./views/certificates/CheckView.vue'), meta: { personal: true } },
    { path: '/certificates/:id/revoke', component: () => import('./views/certificates/RevokeView.vue'), meta: { personal: true } },
    { path: '/todos', component: () => import('./views/home/TodosView.vue') },

    // PIN and recovery (2.7.4, 2.8.7)
    { path: '/pin', component: () => import('./views/pin/PinView.vue') },
    { path: '/pin/set', component: () => import('./views/pin/PinSetView.vue') },
    { path: '/pin/change', component: () => import('./views/pin/PinChangeView.vue') },
    { path: '/pin/unlock', component: () => import('./views/pin/PinUnlockView.vue') },
    { path: '/recover', component: () => import('./views/recover/RecoverView.vue') },

    // Scanning (2.8) and records (2.9)
    { path: '/scan', component: () => import('./views/scan/ScanView.vue'), meta: { personal: true } },
    { path: '/s', component: () => import('./views/scan/LandingView.vue'), meta: { open: true } },
    { path: '/scan/:id', component: () => import('./views/scan/ConfirmView.vue'), meta: { personal: true } },
    { path: '/usage', component: () => import('./views/usage/UsageView.vue') },
    { path: '/usage/:id', component: () => import('./views/usage/RecordView.vue') },

    { path: '/:rest(.*)*', component: () => import('./views/NotFoundView.vue'), meta: { open: true } },
  ],
})

/** Where a login leads back to; only a path of this app. */
export function destination(to: RouteLocationNormalized): string {
  const path = to.query.to
  return typeof path === 'string' && path.startsWith('/') && !path.startsWith('//') ? path : '/'
}

router.beforeEach(async (to) => {
  const session = useSession()
  if (!session.loaded) await session.load()
  if (!session.signedIn && !to.meta.open) return { path: '/login', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
  if (to.meta.personal && identity.value) return { path: '/personal', query: { to: to.fullPath } }
  return true
})
