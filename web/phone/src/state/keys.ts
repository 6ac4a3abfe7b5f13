/**
 * Which certificates' key shares lie on this phone. A browser may have dropped
 * them, or they are on another phone: told early, before anything is scanned.
 */
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, ok, type Schemas } from '@/api'
import { useMe } from './server'
import { useSession } from './session'

/** What the core keeps here for the account that is signed in. */
export function useKeysHere() {
  const session = useSession()
  return useQuery({
    queryKey: ['keys-here', computed(() => session.account)],
    queryFn: async () => (await import('@/core')).localState(),
    enabled: computed(() => session.signedIn),
    staleTime: 0,
  })
}

/**
 * here: both shares are on this phone. unfinished: the CA has issued, but the
 * page was closed before the phone had looked at the certificate; one more entry
 * of the PIN ends the installation. lost: 补办恢复 brings the keys back. none: the
 * certificate is not in force. unknown: not read yet.
 */
export type KeyState = 'here' | 'unfinished' | 'lost' | 'none' | 'unknown'

/** Tells how the keys of a certificate stand on this phone. */
export function useKeyState(): (id: string | undefined, state: string) => KeyState {
  const me = useMe()
  const here = useKeysHere()
  return (id, state) => {
    if (state === 'key_lost') return 'lost'
    if (state !== 'valid' || !id) return 'none'
    const local = here.data.value
    const device = me.data.value?.device
    if (!local || !device) return 'unknown'
    if (local.certificates.includes(id)) return 'here'
    // Whoever lost the storage lost the device key and the PIN's share as well.
    return device.active && device.pinHere && local.pin ? 'unfinished' : 'lost'
  }
}

/** The certificates in force whose keys are not ready on this phone. */
export function useKeyLoss(enabled: Ref<boolean>) {
  const stateOf = useKeyState()
  const valid = useQuery({
    queryKey: ['certificates', 'in-force'],
    queryFn: () => ok(api.GET('/app/v1/certificates', { params: { query: { state: 'valid' } } })),
    enabled,
  })
  const of = (wanted: KeyState): Ref<Schemas['CertificateBody'][]> =>
    computed(() => (enabled.value ? (valid.data.value?.certificates ?? []).filter((c) => stateOf(c.id, c.state) === wanted) : []))
  return { lost: of('lost'), unfinished: of('unfinished') }
}
