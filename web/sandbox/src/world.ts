// The panel's picture of the sandbox: read from the server's lists, and read
// again when its log tells that something happened.
import { computed, reactive, ref } from 'vue'

export interface Text {
  ref: string
  phone: string
  template: string
  params: Record<string, string> | null
  body: string
  at: string
}
export type Button = 'pay' | 'fail' | 'pay-twice' | 'late' | 'silent'
export interface Payment {
  payment: string
  title: string
  amount: number
  state: 'unpaid' | 'paid' | 'closed'
  createdAt?: string
  expiresAt: string
  paidAt?: string
  trade?: string
  returned: number
  page: string
  buttons: Button[]
}
export type Outcome = 'approve' | 'refuse' | 'timeout'
export interface Check {
  ref: string
  kind: string
  name: string
  idNumber: string
  phone?: string
  outcome: Outcome
  at: string
}
export interface Checks {
  charged: number
  next: Outcome[]
  recent: Check[]
}
export interface Platform {
  code: string
  name: string
  region: string
  host: string
  callbackBase?: string
  askCode: boolean
}
export interface Entry {
  seq: number
  at: string
  kind: string
  subject?: string
  actor?: string
  data?: Record<string, string>
}
export interface House {
  version: string
  app: string
  platform: string
  pki: string
}

/** A list as it was last read: undefined before the first answer. */
export const world = reactive({
  texts: undefined as Text[] | undefined,
  payments: undefined as Payment[] | undefined,
  checks: undefined as Checks | undefined,
  platforms: undefined as { platforms: Platform[]; next?: string } | undefined,
  house: undefined as House | undefined,
  log: [] as Entry[],
})

/** Whether the stream is open; the first try counts as open. */
export const connected = ref(true)

const searched = ref('')

async function answer(method: string, path: string, body?: unknown): Promise<Response> {
  const r = await fetch(path, {
    method,
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })
  if (!r.ok) throw new Error((await r.text()).trim() || `状态 ${r.status}`)
  return r
}

const readers = {
  async texts() {
    world.texts = await (await answer('GET', '/sandbox/sms')).json()
  },
  async payments() {
    world.payments = await (await answer('GET', '/sandbox/payments')).json()
  },
  async checks() {
    world.checks = await (await answer('GET', '/sandbox/idcheck')).json()
  },
  async platforms() {
    const query = searched.value
    const page = await (await answer('GET', `/sandbox/platforms?query=${encodeURIComponent(query)}`)).json()
    if (query === searched.value) world.platforms = page
  },
  async clock() {
    const sent = performance.now()
    const c: { now: string; movable: boolean } = await (await answer('GET', '/sandbox/clock')).json()
    const got = performance.now()
    base.value = { house: Date.parse(c.now), here: (sent + got) / 2, movable: c.movable }
  },
  async house() {
    world.house = await (await answer('GET', '/sandbox/house')).json()
  },
}
type Part = keyof typeof readers

// The house's time runs with this machine's and is asked for when it was moved.
const base = ref<{ house: number; here: number; movable: boolean }>()
const ticks = ref(performance.now())
setInterval(() => (ticks.value = performance.now()), 250)

/** The house's time; undefined before the first answer. */
export const now = computed(() => (base.value ? new Date(base.value.house + Math.max(0, ticks.value - base.value.here)) : undefined))
export const movable = computed(() => base.value?.movable ?? false)

const wanted = new Set<Part>()
let timer: ReturnType<typeof setTimeout> | undefined
let retry = 0

/** Reads parts anew; several wishes within a moment are one. */
export function read(...parts: Part[]) {
  for (const p of parts) wanted.add(p)
  timer ??= setTimeout(run, 120)
}

async function run() {
  timer = undefined
  const parts = [...wanted]
  wanted.clear()
  const results = await Promise.allSettled(parts.map((p) => readers[p]()))
  const failed = parts.filter((_, i) => results[i]!.status === 'rejected')
  if (failed.length === 0) {
    retry = 0
    return
  }
  connected.value = false
  for (const p of failed) wanted.add(p)
  timer ??= setTimeout(run, Math.min(8000, 500 * 2 ** retry++))
}

/** Which lists an event is about. */
export function concerns(kind: string): Part[] {
  const noun = kind.slice(0, kind.indexOf('.'))
  switch (noun) {
    case 'sms':
      return ['texts']
    case 'counter':
      return ['payments']
    case 'check':
      return ['checks']
    case 'clock':
      return ['clock', 'payments']
    case 'platform':
      return ['platforms']
    default:
      return []
  }
}

const kept = 500

/** Takes a log entry; one that was seen is left out. */
export function take(e: Entry) {
  if (world.log[0] && e.seq <= world.log[0].seq) return
  world.log.unshift(e)
  if (world.log.length > kept) world.log.length = kept
  read(...concerns(e.kind))
}

let stream: EventSource | undefined

/** Reads everything and follows the log until the page goes. */
export function follow() {
  read('house', 'texts', 'payments', 'checks', 'platforms', 'clock')
  stream = new EventSource('/sandbox/events')
  stream.onopen = () => {
    connected.value = true
    read('texts', 'payments', 'checks', 'platforms', 'clock')
  }
  stream.addEventListener('log', (e) => take(JSON.parse((e as MessageEvent<string>).data)))
  stream.onerror = () => {
    connected.value = false
    // The browser tries again by itself unless it was refused.
    if (stream?.readyState === EventSource.CLOSED) setTimeout(follow, 5000)
  }
}

/** Looks for platforms by a part of their name. */
export function search(query: string) {
  searched.value = query.trim()
  read('platforms')
}

/** Presses a button of the counter; gives the status with which each notice was taken. */
export async function press(p: Payment, button: Button): Promise<number[]> {
  try {
    const r = await answer('POST', `${p.page}/${button}`)
    return ((await r.json()) as { notices: number[] }).notices
  } finally {
    read('payments')
  }
}

/** Sets what becomes of a coming check, behind those that are set already. */
export async function setNext(outcome: Outcome) {
  await answer('POST', '/sandbox/idcheck/next', { outcome })
  read('checks')
}

/** Forgets what is set: checks pass again. */
export async function clearNext() {
  await answer('DELETE', '/sandbox/idcheck/next')
  read('checks')
}

/** Moves the house's clock forward. */
export async function advance(seconds: number) {
  await answer('POST', '/sandbox/clock', { advanceSeconds: seconds })
  read('clock')
}
