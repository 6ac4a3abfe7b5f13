/**
 * The app's API as the screens call it: typed by docs/openapi/app.yaml, every
 * refusal a ProblemError, and a session that ended in the middle asks for a new
 * login where the user is and then goes on. Each request says as whom it is made.
 */
import createClient from 'openapi-fetch'
import { deviceFetch, session } from '@twt/shared/api/device'
import { localProblem, parseProblem, ProblemError } from '@twt/shared/api/problem'
import type { components, paths } from '@twt/shared/api/schema'
import { identity } from './state/identity'

export type Schemas = components['schemas']

const SIGNED_OUT = ['login_required', 'signed_out', 'device_signature_invalid']

// PIN, keys and real-name are the account's, whoever it acts as.
const OWN = /\/app\/v1\/(pin|recoveries|redealings|enrolments|realname)\b/

type Again = () => Promise<boolean>
let signInAgain: Again = () => Promise.resolve(false)
let asking: Promise<boolean> | undefined

/** Says how a login is asked for in place; resolves true once there is one. */
export function onSignedOut(f: Again) {
  signInAgain = f
}

let identityLost: (sentence: string) => void = () => undefined

/** Says what happens when the user does not belong to the chosen enterprise any more. */
export function onIdentityLost(f: (sentence: string) => void) {
  identityLost = f
}

/** Passes an answer on, and tells if it says that the identity it was asked for, still the chosen one, is lost. */
export async function heard(response: Response, as: string): Promise<Response> {
  if (response.status !== 403 || !as) return response
  const p = parseProblem(403, await response.clone().text())
  if (p.code === 'identity_lost' && as === identity.value) identityLost(p.detail)
  return response
}

async function signedOut(response: Response): Promise<boolean> {
  return response.status === 401 && SIGNED_OUT.includes(parseProblem(401, await response.clone().text()).code)
}

async function guarded(request: Request): Promise<Response> {
  const spare = request.clone()
  const as = OWN.test(new URL(request.url).pathname) ? '' : identity.value
  const send = (r: Request) => deviceFetch(r, as ? { as } : {})
  const before = await session()
  let response = await send(request)
  if (!(await signedOut(response))) return heard(response, as)
  // Signed for a session that a new login of the same account has replaced meanwhile.
  const now = await session()
  if (now && now.nonce !== before?.nonce && now.account === before?.account) {
    response = await send(spare.clone())
    if (!(await signedOut(response))) return heard(response, as)
  }
  asking ??= signInAgain().finally(() => {
    asking = undefined
  })
  return (await asking) ? heard(await send(spare), as) : response
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: guarded })

/** The answer of a call, or its refusal thrown as a ProblemError. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (response.ok) return data as T
  if (error && typeof error === 'object') throw new ProblemError(parseProblem(response.status, JSON.stringify(error)))
  throw new ProblemError(response.status ? parseProblem(response.status, '') : localProblem('network_failed'))
}
