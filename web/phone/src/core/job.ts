/**
 * What the app asks of its core, and what the core tells: the words between page
 * and worker. Nothing of a PIN is in them but single digits on their way.
 */
import type { components } from '@twt/shared/api/schema'
import type { Problem } from '@twt/shared/api/problem'

export type Scan = components['schemas']['Scan']

export type Job =
  | { kind: 'setPIN'; setup: string }
  | { kind: 'changePIN' }
  | { kind: 'install'; certificate: string }
  | { kind: 'execute'; scan: Scan; certificate: string }
  | { kind: 'revoke'; certificate: string; reason: string }
  | { kind: 'check'; items: { name: 'sign' | 'decrypt'; opID: string }[]; certificate: string }
  | { kind: 'recover'; recovery: string }
  | { kind: 'resume'; recovery: string }
  | { kind: 'transfer'; enterprise: string; member: string }
  | { kind: 'settle' }

export type Entry = 'pin' | 'old' | 'new' | 'again'

/** The PINs that a job asks for, in order. */
export const ENTRIES: Record<Job['kind'], readonly Entry[]> = {
  setPIN: ['new', 'again'],
  changePIN: ['old', 'new', 'again'],
  install: ['pin'],
  execute: ['pin'],
  revoke: ['pin'],
  check: ['pin'],
  recover: ['new', 'again'],
  resume: ['pin'],
  transfer: ['pin'],
  settle: [],
}

export type CoreEvent =
  /** Digits of the current entry so far; after six the next entry is named with none, or the job runs. */
  | { type: 'count'; entry: Entry; count: number }
  /** The new PIN is refused before anything is sent; the entry 'new' begins again. */
  | { type: 'weak'; detail: string }
  /** 'again' differs from 'new', which begins again; nothing was charged. */
  | { type: 'different' }
  | { type: 'ready' }
  | { type: 'stage'; stage: string; index?: number; of?: number; outcome?: 'good' | 'bad'; text?: string; ms?: number }
  | { type: 'done'; value: unknown }
  | { type: 'failed'; problem: Problem }

export type Command = { do: 'start'; job: string; wasm: string } | { do: 'press'; digit: string } | { do: 'erase' } | { do: 'clear' } | { do: 'restart' }
