/**
 * The phone's state in the browser: JSON of the core, wrapped with an AES key
 * that cannot be exported, one record an account. What it holds tells no right
 * PIN from a wrong one (docs/split-keys.md §3); the wrapping keeps a copied disk
 * from being read, it is no second lock.
 *
 * Beside the wrapped bytes stands a summary for the screens: which keys are here,
 * and nothing of them.
 */
import { get, putOnce, remove, transact } from '@twt/shared/api/idb'
import { localProblem, ProblemError } from '@twt/shared/api/problem'

export interface Summary {
  pin: boolean
  /** Certificates whose two shares are here. */
  certificates: string[]
  /** A change of PIN broke off: the job 'settle' is due. */
  pendingRefresh: boolean
}

interface Kept {
  v: 1
  iv: Uint8Array<ArrayBuffer>
  box: ArrayBuffer
  summary: Summary
}

const utf8 = new TextEncoder()
const nameOf = (account: string) => `phone:${account}`
const nothing = (): Summary => ({ pin: false, certificates: [], pendingRefresh: false })

async function wrappingKey(make: boolean): Promise<CryptoKey | undefined> {
  const there = await get<CryptoKey>('wrap')
  if (there || !make) return there
  return putOnce('wrap', await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']))
}

const boundTo = (iv: Uint8Array<ArrayBuffer>, account: string) => ({ name: 'AES-GCM', iv, additionalData: utf8.encode(`TWT/phone/v1/${account}`) })

/**
 * Reads an account's state; null if there is none. A state that does not open is
 * lost: ProblemError "key_lost".
 */
export async function load(account: string): Promise<Uint8Array | null> {
  const kept = await get<Kept>(nameOf(account))
  if (!kept) return null
  const key = await wrappingKey(false)
  if (kept.v !== 1 || !key) throw new ProblemError(localProblem('key_lost'))
  try {
    return new Uint8Array(await crypto.subtle.decrypt(boundTo(kept.iv, account), key, kept.box))
  } catch (e) {
    throw new ProblemError(localProblem('key_lost'), { cause: e })
  }
}

/** Writes an account's state durably and reads it back. */
export async function save(account: string, state: Uint8Array<ArrayBuffer>): Promise<void> {
  const key = await wrappingKey(true)
  if (!key) throw new ProblemError(localProblem('storage_failed'))
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const kept: Kept = { v: 1, iv, box: await crypto.subtle.encrypt(boundTo(iv, account), key, state), summary: summaryOf(state) }
  await transact('readwrite', (s) => {
    s.put(kept, nameOf(account))
  })
  const back = await load(account)
  if (!back || back.length !== state.length || back.some((b, i) => b !== state[i])) throw new ProblemError(localProblem('storage_failed'))
}

/** Deletes a state that is lost, before keys are made anew. */
export function drop(account: string): Promise<void> {
  return remove(nameOf(account))
}

/** What is here of an account's keys, without opening them. */
export async function summary(account: string): Promise<Summary> {
  const kept = await get<Kept>(nameOf(account))
  if (!kept || kept.v !== 1 || !(await wrappingKey(false))) return nothing()
  return kept.summary
}

interface State {
  records?: { keyID: string; purpose: string }[]
  held?: { certificate: string; signKey: string; encKey?: string; signCertificate?: string }[]
  refresh?: string
}

function summaryOf(json: Uint8Array<ArrayBuffer>): Summary {
  const state = JSON.parse(new TextDecoder().decode(json)) as State
  const here = new Set((state.records ?? []).map((r) => r.keyID))
  return {
    pin: (state.records ?? []).some((r) => r.purpose === 'pin'),
    certificates: (state.held ?? []).filter((h) => h.signCertificate && here.has(h.signKey) && here.has(h.encKey ?? '')).map((h) => h.certificate),
    pendingRefresh: Boolean(state.refresh),
  }
}
