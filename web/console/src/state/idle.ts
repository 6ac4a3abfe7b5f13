/**
 * An officer who has gone: pages stop asking by themselves, so that the server's
 * idle time can run out, and once it has, the page is veiled until a new sign-in.
 */
import { focusManager } from '@tanstack/vue-query'
import { isProblem } from '@twt/shared/api/problem'
import { api, ok } from '@/api'
import { again, askAgain, session, signedIn } from './officer'

/** How long without a key or the pointer pages go on asking. */
const STILL = 3 * 60_000

let touched = Date.now()
let still = false
let checked = false

function touch() {
  touched = Date.now()
  checked = false
  if (!still) return
  still = false
  focusManager.setFocused(undefined)
}

async function look() {
  const rest = Date.now() - touched
  if (!still && rest > STILL) {
    still = true
    focusManager.setFocused(false)
  }
  if (checked || again.value || !signedIn.value || rest < STILL + (session.value!.idleSeconds + 5) * 1000) return
  checked = true // another tab may be in use: its session is this one's
  await ok(api.GET('/console/v1/session')).catch((e: unknown) => isProblem(e, 'console_login_required') && askAgain())
}

/** Begins to watch; for the life of the page. */
export function watchIdle() {
  for (const what of ['pointerdown', 'pointermove', 'keydown', 'wheel']) addEventListener(what, touch, { passive: true, capture: true })
  setInterval(() => void look(), 15_000)
}
