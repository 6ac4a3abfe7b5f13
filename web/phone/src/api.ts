/**
 * The app's API as the screens call it: typed by docs/openapi/app.yaml, every
 * refusal a ProblemError, and a session that ended in the middle asks for a new
 * login where the user is and then goes on.
 */
import createClient from 'openapi-fetch'
import { deviceFetch, session } from '@twt/shared/api/device'
import { localProblem, parseProblem, ProblemError } from '@twt/shared/api/problem'
import type { components, paths } from '@twt/shared/api/schema'

export type Schemas = components['schemas']

const SIGNED_OUT = ['login_required', 'signed_out', 'device_signature_invalid']

type Again = () => Promise<boolean>
let signInAgain: Again = () => Promise.resolve(false)
let asking: Promise<boolean> | undefined

/** Says how a login is asked for in place; resolves true once there is one. */
export function onSignedOut(f: Again) {
  signInAgain = f
}

async function signedOut(response: Response): Promise<boolean> {
  return response.status === 401 && SIGNED_OUT.includes(parseProblem(401, await response.clone().text()).code)
}

async function guarded(request: Request): Promise<Response> {
  const spare = request.clone()
  const before = await session()
  let response = await deviceFetch(request)
  if (!(await signedOut(response))) return response
  // Signed for a session that a new login of the same account has replaced meanwhile.
  const now = await session()
  if (now && now.nonce !== before?.nonce && now.account === before?.account) {
    response = await deviceFetch(spare.clone())
    if (!(await signedOut(response))) return response
  }
  asking ??= signInAgain().finally(() => {
    asking = undefined
  })
  return (await asking) ? deviceFetch(spare) : response
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: guarded })

/** The answer of a call, or its refusal thrown as a ProblemError. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (response.ok) return data as T
  if (error && typeof error === 'object') throw new ProblemError(parseProblem(response.status, JSON.stringify(error)))
  throw new ProblemError(response.status ? parseProblem(response.status, '') : localProblem('network_failed'))
}
