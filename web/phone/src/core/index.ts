/**
 * The page's side of the core: operations that ask for a PIN and the shares that
 * are kept here. The digits of a PIN pass through `press` to the worker and are
 * kept nowhere in the page.
 */
import { get, put, remove } from '@twt/shared/api/idb'
import { localProblem } from '@twt/shared/api/problem'
import { session } from '@twt/shared/api/device'
import { scriptURL } from '@/trusted'
import { ENTRIES, type Command, type CoreEvent, type Entry, type Job } from './job'
import { summary, type Summary } from './store'
import workerURL from './worker.ts?worker&url'

export type { CoreEvent, Entry, Job, Scan } from './job'

export interface Operation {
  readonly entries: readonly Entry[]
  /** Sends one digit to the worker. */
  press(digit: string): void
  erase(): void
  clear(): void
  /** Hears what happens; the result stops that. */
  on(f: (e: CoreEvent) => void): () => void
  /** Begins again with the first entry after a wrong PIN, in the same worker. */
  restart(): void
  /** Ends the worker; may be called twice. */
  end(): void
}

/** How long a page may be hidden before its operation ends. */
const HIDDEN_MS = 120_000

// The address of the core, named by its content: scripts/wasm.sh writes it down.
const built = Object.values(import.meta.glob<string>('./built.json', { eager: true, import: 'wasm' }))[0]

/** Starts the worker of a job; called when the PIN sheet opens. */
export function startOperation(job: Job): Operation {
  const listeners = new Set<(e: CoreEvent) => void>()
  const emit = (e: CoreEvent) => {
    for (const f of listeners) f(e)
  }
  const failed = (code: 'core_unavailable' | 'core_failed' | 'interrupted') => emit({ type: 'failed', problem: localProblem(code) })

  let worker: Worker | undefined
  let hidden: number | undefined
  const post = (c: Command) => worker?.postMessage(c)
  const end = () => {
    worker?.terminate()
    worker = undefined
    clearTimeout(hidden)
    document.removeEventListener('visibilitychange', watch)
  }
  // Timers sleep in a hidden page, so the time is looked at again when it comes back.
  let since = 0
  const interrupt = () => {
    if (!worker) return
    end()
    failed('interrupted')
  }
  const watch = () => {
    clearTimeout(hidden)
    if (document.visibilityState === 'hidden') {
      since = Date.now()
      hidden = window.setTimeout(interrupt, HIDDEN_MS)
    } else if (since && Date.now() - since >= HIDDEN_MS) {
      interrupt()
    }
  }

  if (built) {
    worker = new Worker(scriptURL(workerURL), { type: 'module', name: 'twt-core' })
    worker.onmessage = (e: MessageEvent<CoreEvent>) => {
      const over = e.data.type === 'done'
      if (over) end()
      emit(e.data)
    }
    worker.onerror = () => {
      end()
      failed('core_failed')
    }
    document.addEventListener('visibilitychange', watch)
    post({ do: 'start', job: JSON.stringify(job), wasm: `/core/${built}` })
  } else {
    queueMicrotask(() => failed('core_unavailable'))
  }

  return {
    entries: ENTRIES[job.kind],
    press: (digit) => post({ do: 'press', digit }),
    erase: () => post({ do: 'erase' }),
    clear: () => post({ do: 'clear' }),
    restart: () => post({ do: 'restart' }),
    on(f) {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    end,
  }
}

let preloading: Promise<void> | undefined

/** Fetches the core while the user reads; the worker then finds it in the cache. */
export function preload(): void {
  if (!built) return
  preloading ??= fetch(`/core/${built}`, { priority: 'low' } as RequestInit)
    .then((r) => r.arrayBuffer())
    .then(
      () => undefined,
      () => {
        preloading = undefined
      },
    )
}

export type Probe = { ok: true; persisted: boolean } | { ok: false; reason: 'blocked' | 'no-key-store' | 'no-crypto' | 'no-webassembly' | 'quota'; detail: string }

/**
 * Tries whether this browser can keep keys: before anything is bought. The
 * sentences say what to do.
 */
export async function probeStorage(): Promise<Probe> {
  if (typeof WebAssembly !== 'object' || typeof WebAssembly.instantiateStreaming !== 'function') {
    return { ok: false, reason: 'no-webassembly', detail: '当前浏览器版本过低，无法运行安全组件，请升级系统浏览器后再使用。' }
  }
  if (!globalThis.crypto?.subtle || !navigator.locks) {
    return { ok: false, reason: 'no-crypto', detail: '当前浏览器不支持安全加密，请用系统自带的浏览器，通过 https 地址打开。' }
  }
  try {
    await put('probe', 1)
  } catch (e) {
    if (e instanceof DOMException && e.name === 'QuotaExceededError') {
      return { ok: false, reason: 'quota', detail: '手机存储空间不足，无法保存证书密钥，请清理空间后再试。' }
    }
    return { ok: false, reason: 'blocked', detail: '浏览器禁止保存数据，请退出无痕（隐私）浏览模式后再试。' }
  }
  try {
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
    const iv = new Uint8Array(12)
    const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, iv)
    await put('probe', key)
    const back = await get<CryptoKey>('probe')
    await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, back as CryptoKey, box)
  } catch {
    return { ok: false, reason: 'no-key-store', detail: '当前浏览器无法安全保存密钥（可能开启了锁定模式或无痕浏览），请更换浏览器后再试。' }
  } finally {
    await remove('probe').catch(() => undefined)
  }
  const persisted = (await navigator.storage?.persist?.().catch(() => false)) ?? false
  return { ok: true, persisted }
}

export interface LocalState extends Summary {
  account?: string
}

/** Which keys of the account that is logged in are here. 密钥丢失 is told by comparing with GET /certificates. */
export async function localState(): Promise<LocalState> {
  const s = await session()
  if (!s) return { pin: false, certificates: [], pendingRefresh: false }
  return { account: s.account, ...(await summary(s.account)) }
}
