/**
 * What a form holds, kept for this tab while the user is elsewhere: another
 * page, a new login, a reload. Never codes, card numbers, passwords or PINs.
 * What was typed while an account was signed in is shown to that account alone:
 * a name and an ID number are not for whoever has the phone next.
 */
import { reactive, watch } from 'vue'
import { useSession } from './session'

type Fields<T> = { [K in keyof T]: T[K] extends boolean ? boolean : string }

/** A form's fields as they were left; forget() when they have served. */
export function useDraft<T extends Record<string, string | boolean>>(name: string, empty: T): { fields: Fields<T>; forget: () => void } {
  const key = `twt-draft-${name}`
  const account = useSession().account
  const fields = reactive({ ...empty }) as Fields<T>
  try {
    const { owner, kept = {} } = JSON.parse(sessionStorage.getItem(key) ?? '{}') as { owner?: string; kept?: Record<string, unknown> }
    if (owner !== undefined && owner !== account) sessionStorage.removeItem(key)
    else for (const k of Object.keys(empty) as (keyof T & string)[]) if (typeof kept[k] === typeof empty[k]) fields[k] = kept[k] as Fields<T>[typeof k]
  } catch {
    // Nothing kept, or a browser that keeps nothing.
  }
  // At once: a form that is emptied as it closes would otherwise keep what it held.
  const stop = watch(
    fields,
    (now) => {
      try {
        sessionStorage.setItem(key, JSON.stringify({ owner: account, kept: now }))
      } catch {
        // Then a reload loses it.
      }
    },
    { flush: 'sync' },
  )
  return {
    fields,
    forget() {
      stop()
      sessionStorage.removeItem(key)
    },
  }
}
