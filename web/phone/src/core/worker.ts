/// <reference lib="webworker" />
/**
 * The worker of one operation: it has the digits, loads the core, signs and
 * sends its requests and keeps its state. The page ends it when the operation is
 * over; nothing of it outlives that.
 */
import './wasm_exec.js'
import { call, clockOffset, device, session, setServerTime, signedFetch } from '@twt/shared/api/device'
import { isProblem, localProblem, problemFrom, ProblemError, type LocalCode, type Problem } from '@twt/shared/api/problem'
import { Entries } from './entry'
import { ENTRIES, type Command, type CoreEvent, type Job } from './job'
import { drop, load, save, summary } from './store'

interface Host {
  thumbprint: string
  account: string
  arc: string
  sandbox: boolean
  now(): number
  request(method: string, path: string, contentType: string, body: Uint8Array): Promise<{ status: number; body: Uint8Array }>
  load(): Promise<Uint8Array | null>
  save(state: Uint8Array<ArrayBuffer>): Promise<void>
  stage(json: string): void
}
interface Core {
  do(job: string, pins: Uint8Array[]): Promise<string>
  weak(pin: Uint8Array): string
}
declare const Go: new () => { importObject: WebAssembly.Imports; run(instance: WebAssembly.Instance): Promise<void> }
declare const twtCore: (host: Host) => Core

const emit = (e: CoreEvent) => self.postMessage(e)
const fail = (e: unknown) => emit({ type: 'failed', problem: problemFrom(e) })

let job: Job = { kind: 'settle' }
let wasm = ''
let core: Promise<Core> | undefined
let entries: Entries | undefined
/** Whose keys these are: another login in another tab ends the operation. */
let account = ''

self.onmessage = (e: MessageEvent<Command>) => {
  const c = e.data
  switch (c.do) {
    case 'start':
      job = JSON.parse(c.job) as Job
      wasm = c.wasm
      entries = new Entries(ENTRIES[job.kind], async (pin) => (await loaded()).weak(pin), emit)
      void begin()
      break
    case 'press':
      entries?.press(c.digit).then((pins) => pins && run(pins), fail)
      break
    case 'erase':
      entries?.erase()
      break
    case 'clear':
      entries?.clear()
      break
    case 'restart':
      entries?.restart()
      break
  }
}

async function begin() {
  try {
    if (job.kind !== 'settle') {
      await loaded()
      return
    }
    const owner = (await session())?.account
    if (!owner || !(await summary(owner)).pendingRefresh) {
      emit({ type: 'done', value: null })
      return
    }
    await run([])
  } catch (e) {
    fail(e)
  }
}

/** The core, loaded once; a load that failed is tried again. */
function loaded(): Promise<Core> {
  core ??= open().catch((e: unknown) => {
    core = undefined
    throw e instanceof ProblemError ? e : new ProblemError(localProblem('core_unavailable'), { cause: e })
  })
  return core
}

async function open(): Promise<Core> {
  const go = new Go()
  const [{ instance }, environment, mine, owner] = await Promise.all([
    WebAssembly.instantiateStreaming(fetch(wasm), go.importObject),
    call<{ sandbox: boolean; arc: string; serverTime: string }>('GET', '/environment'),
    device(),
    session(),
  ])
  if (!owner) throw new ProblemError({ status: 401, code: 'login_required', detail: '您还没有登录，请先登录。' })
  account = owner.account
  await setServerTime(environment.serverTime)
  const ended = go.run(instance).then(() => fail(new ProblemError(localProblem('core_failed'))))
  void ended.catch(fail)
  const c = twtCore({
    thumbprint: mine.thumbprint,
    account,
    arc: environment.arc,
    sandbox: environment.sandbox,
    now: () => Date.now() + clockOffset(),
    request,
    load: () => load(account),
    save: (state) => save(account, state),
    stage: (json) => emit({ type: 'stage', ...(JSON.parse(json) as { stage: string }) }),
  })
  emit({ type: 'ready' })
  return c
}

/** Signs and sends a request; status 0 carries the problem why no answer came. */
async function request(method: string, path: string, contentType: string, body: Uint8Array): Promise<{ status: number; body: Uint8Array }> {
  try {
    if ((await session())?.account !== account) throw new ProblemError(localProblem('session_changed'))
    const response = await signedFetch(method, path, method === 'GET' ? undefined : body, contentType || undefined)
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) }
  } catch (e) {
    const p = e instanceof ProblemError ? e.problem : localProblem('network_failed')
    return { status: 0, body: new TextEncoder().encode(JSON.stringify({ code: p.code, detail: p.detail })) }
  }
}

/** Does the job. Two tabs never write shares at once. */
async function run(pins: Uint8Array[]) {
  try {
    const answer = await navigator.locks.request('twt-core', async () => {
      const c = await loaded()
      await readable()
      return c.do(JSON.stringify(job), pins)
    })
    const { value, problem } = JSON.parse(answer) as { value?: unknown; problem?: Problem }
    if (problem) emit({ type: 'failed', problem: worded(problem) })
    else emit({ type: 'done', value: value ?? null })
  } catch (e) {
    fail(e)
  } finally {
    for (const pin of pins) pin.fill(0)
  }
}

/** A state that is lost ends the job, but for those that make the keys anew. */
async function readable() {
  try {
    await load(account)
  } catch (e) {
    if (!isProblem(e, 'key_lost') || (job.kind !== 'recover' && job.kind !== 'setPIN')) throw e
    await drop(account)
  }
}

/** The core names what it finds wrong itself; the sentence is said here. */
function worded(p: Problem): Problem {
  return p.detail ? p : { ...p, ...localProblem(p.code as LocalCode) }
}

