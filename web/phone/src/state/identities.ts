/** Who one may act as, by the server's word, and the change from one to another. */
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, ok } from '@/api'
import { actAs, identity } from './identity'
import { useSession } from './session'

/** The person and the enterprises of the caller, applications that wait, invitations. */
export function useIdentities() {
  const session = useSession()
  return useQuery({ queryKey: ['identities'], queryFn: () => ok(api.GET('/app/v1/identities')), enabled: computed(() => session.signedIn) })
}

/** The identity that is chosen. enterprise is undefined for the person, and until the server has named it. */
export function useIdentity() {
  const query = useIdentities()
  const queries = useQueryClient()
  const enterprise = computed(() => (query.data.value?.enterprises ?? []).find((e) => e.id === identity.value))

  /** Acts as an enterprise or, by '', as the person; what is shown is read anew. */
  async function change(id: string) {
    if (id === identity.value) return
    await queries.cancelQueries()
    actAs(id)
  }

  return {
    query,
    /** The enterprise's id; '' for the person. */
    id: identity,
    enterprise,
    administrator: computed(() => enterprise.value?.role === 'administrator'),
    change,
  }
}
