/**
 * Which certificates' key shares lie on this phone. A browser may have dropped
 * them, or they are on another phone: told early, before anything is scanned.
 */
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, ok, type Schemas } from '@/api'
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

export interface KeyLoss {
  /** Certificates in force whose keys are not on this phone. */
  lost: Ref<Schemas['CertificateBody'][]>
  /** True once both sides are known. */
  known: Ref<boolean>
}

/** Compares the certificates in force with the shares that are here. */
export function useKeyLoss(enabled: Ref<boolean>): KeyLoss {
  const here = useKeysHere()
  const valid = useQuery({
    queryKey: ['certificates', 'in-force'],
    queryFn: () => ok(api.GET('/app/v1/certificates', { params: { query: { state: 'valid' } } })),
    enabled,
  })
  const lost = computed(() => {
    const local = here.data.value
    const certificates = valid.data.value?.certificates
    if (!enabled.value || !local || !certificates) return []
    return certificates.filter((c) => !local.certificates.includes(c.id))
  })
  return { lost, known: computed(() => here.data.value !== undefined && valid.data.value !== undefined) }
}
