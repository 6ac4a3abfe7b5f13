/** Scanned businesses as the screens read them (2.8). */
import { useQuery, useQueryClient, type QueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, ok, type Schemas } from '@/api'
import { useSession } from '@/state/session'

export type Scan = Schemas['Scan']
export type Choice = Schemas['Choice']

const OVER = ['EXECUTED', 'DELIVERED', 'REJECTED', 'EXPIRED', 'CANCELLED', 'FAILED']

/** Whether a business has ended, well or not. */
export function over(scan: Pick<Scan, 'state'> | undefined): boolean {
  return scan !== undefined && OVER.includes(scan.state)
}

/** Whether it ended well. */
export function executed(scan: Pick<Scan, 'state'> | undefined): boolean {
  return scan?.state === 'EXECUTED' || scan?.state === 'DELIVERED'
}

/** Posts what the camera read. The first phone that does so holds the business. */
export async function postScan(queries: QueryClient, qr: string): Promise<Scan> {
  const scan = await ok(api.POST('/app/v1/scans', { body: { qr } }))
  queries.setQueryData(['scans', scan.id], scan)
  void queries.invalidateQueries({ queryKey: ['scans', 'open'] })
  return scan
}

/** One business: read anew when something changes, and every few seconds while it is open. */
export function useScan(id: string) {
  return useQuery({
    queryKey: ['scans', id],
    queryFn: () => ok(api.GET('/app/v1/scans/{id}', { params: { path: { id } } })),
    refetchInterval: (q) => (over(q.state.data) ? false : 4000),
    staleTime: 0,
  })
}

/**
 * The business that this phone has scanned and not finished: a phone that
 * reloaded or lost its answer finds it again (您有一笔未完成的扫码登录).
 */
export function useOpenScan(enabled?: Ref<boolean>) {
  const session = useSession()
  return useQuery({
    queryKey: ['scans', 'open'],
    queryFn: async () => (await ok(api.GET('/app/v1/scans/open'))).scan ?? null,
    enabled: computed(() => session.signedIn && (enabled?.value ?? true)),
    staleTime: 0,
  })
}

/** Tells every screen that scans have changed. */
export function useScansChanged() {
  const queries = useQueryClient()
  return () => queries.invalidateQueries({ queryKey: ['scans'] })
}

/**
 * Whether the answer to a confirmation shows what the screen showed: who asks,
 * and for what. The PIN is entered for what was read.
 */
export function sameBusiness(a: Scan, b: Scan): boolean {
  const p = a.platform
  const q = b.platform
  const d = a.document
  const e = b.document
  return (
    a.id === b.id && a.type === b.type && a.title === b.title &&
    p.code === q.code && p.name === q.name && p.host === q.host && p.region === q.region &&
    (d === undefined) === (e === undefined) && (!d || !e || (d.name === e.name && d.size === e.size && d.digest === e.digest))
  )
}

const TOKEN_KEY = 'twt-scan'

/** Keeps a code's text over a login, for this tab. */
export function keepScan(qr: string) {
  try {
    sessionStorage.setItem(TOKEN_KEY, qr)
  } catch {
    // A browser that keeps nothing: the code is scanned again after the login.
  }
}

/** Takes the text that was kept; it serves once. */
export function takeScan(): string | undefined {
  try {
    const qr = sessionStorage.getItem(TOKEN_KEY)
    sessionStorage.removeItem(TOKEN_KEY)
    return qr ?? undefined
  } catch {
    return undefined
  }
}
