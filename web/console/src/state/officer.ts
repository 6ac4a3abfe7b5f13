import { computed, shallowRef } from 'vue'
import { api, ok, type Schemas } from '@/api'
import { isProblem } from '@twt/shared/api/problem'

export type Session = Schemas['SessionBody']
export type Role = 'verifier' | 'operator' | 'auditor' | 'super'

export const roleNames: Record<Role, string> = { verifier: '鉴证员', operator: '运营员', auditor: '审计员', super: '超级管理员' }

/** The names of roles, as people read them. */
export function rolesText(roles: readonly string[] | null | undefined): string {
  return (roles ?? []).map((r) => roleNames[r as Role] ?? r).join('、')
}

/** The session of this browser: undefined before it was asked for, null for none. */
export const session = shallowRef<Session | null>()
export const signedIn = computed(() => session.value?.stage === 'full')

/** Why the session could not be read when the console was opened. */
export const unreachable = shallowRef<unknown>()

/** Reads the session once. */
export async function load() {
  try {
    session.value = await ok(api.GET('/console/v1/session'))
  } catch (e) {
    if (!isProblem(e, 'console_login_required', 'console_second_factor_required')) throw e
    session.value = null
  }
}

/** Whether the officer has one of the roles. */
export function has(...roles: Role[]): boolean {
  return signedIn.value && roles.some((r) => session.value?.roles?.includes(r))
}

/** Whether a sign-in is asked for over the page. */
export const again = shallowRef<{ done: (same: boolean) => void }>()

export function askAgain(): Promise<boolean> {
  if (!signedIn.value) return Promise.resolve(false)
  return new Promise((resolve) => {
    again.value = {
      done: (same) => {
        again.value = undefined
        resolve(same)
      },
    }
  })
}

export async function signOut() {
  await ok(api.DELETE('/console/v1/session')).catch(() => undefined) // over is over
  session.value = null
}
