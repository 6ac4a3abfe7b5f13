/**
 * The console's API as its pages call it: typed by docs/openapi/console.yaml, every
 * refusal a ProblemError, and a session that ended in the middle asks for a new
 * sign-in over the page and then goes on.
 */
import createClient from 'openapi-fetch'
import type { components, paths } from '@twt/shared/api/console'
import { localProblem, parseProblem, ProblemError } from '@twt/shared/api/problem'

export type Schemas = components['schemas']

let signInAgain: () => Promise<boolean> = () => Promise.resolve(false)
let asking: Promise<boolean> | undefined

/** Says how a sign-in is asked for in place; resolves true once there is one of the same officer. */
export function onSignedOut(f: () => Promise<boolean>) {
  signInAgain = f
}

/** A request; one that finds the session over is sent once more after a new sign-in. */
export async function send(request: Request): Promise<Response> {
  const spare = request.clone()
  const response = await reach(request)
  // The steps of signing in show their refusals themselves.
  if (response.status !== 401 || new URL(request.url).pathname.startsWith('/console/v1/session')) return response
  asking ??= signInAgain().finally(() => {
    asking = undefined
  })
  return (await asking) ? reach(spare) : response
}

async function reach(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (e) {
    if (request.signal.aborted) throw e
    throw new ProblemError(localProblem('network_failed'), { cause: e })
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send })

/** The answer of a call, or its refusal thrown as a ProblemError. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (response.ok) return data as T
  throw new ProblemError(parseProblem(response.status, error && typeof error === 'object' ? JSON.stringify(error) : ''))
}

/** A picture of the console's, as an address for an img; whoever asks revokes it. */
export async function picture(path: string, signal?: AbortSignal): Promise<string> {
  const response = await send(new Request(new URL(path, location.origin), { signal: signal ?? null }))
  if (!response.ok) throw new ProblemError(parseProblem(response.status, await response.text()))
  return URL.createObjectURL(await response.blob())
}
