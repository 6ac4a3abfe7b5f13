/** An enterprise's members, requests and invitations, as its administrator reads them (M§2.4.5). */
import { useInfiniteQuery, useQuery, type QueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, ok, type Schemas } from '@/api'

export type Member = Schemas['MemberBody']
export type Applicant = Schemas['ApplicantBody']
export type Invitation = Schemas['InvitationBody']

/** Members by name or phone, in pages. */
export function useMembers(enterprise: Ref<string>, q: Ref<string>) {
  const query = useInfiniteQuery({
    queryKey: ['enterprises', 'members', enterprise, q],
    queryFn: ({ pageParam }) =>
      ok(api.GET('/app/v1/enterprises/{id}/members', { params: { path: { id: enterprise.value }, query: { ...(q.value ? { q: q.value } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: (before) => before, // while one types the list stays
  })
  return {
    query,
    list: computed(() => query.data.value?.pages.flatMap((p) => p.members ?? []) ?? []),
    total: computed(() => query.data.value?.pages[0]?.total ?? 0),
  }
}

export function useApplicants(enterprise: Ref<string>) {
  return useQuery({
    queryKey: ['enterprises', 'requests', enterprise],
    queryFn: () => ok(api.GET('/app/v1/enterprises/{id}/requests', { params: { path: { id: enterprise.value } } })),
  })
}

export function useInvitations(enterprise: Ref<string>) {
  return useQuery({
    queryKey: ['enterprises', 'invitations', enterprise],
    queryFn: () => ok(api.GET('/app/v1/enterprises/{id}/invitations', { params: { path: { id: enterprise.value } } })),
  })
}

/** After a change of members: what shows them is read anew. */
export function changed(queries: QueryClient) {
  return Promise.all(['enterprises', 'identities', 'todos'].map((key) => queries.invalidateQueries({ queryKey: [key] })))
}

type Tone = 'ok' | 'warn' | 'bad' | 'brand' | 'mute'

/** Where an invitation stands, as a chip. */
export function invitationWords(state: string): { text: string; tone: Tone } {
  switch (state) {
    case 'open': return { text: '等待接受', tone: 'brand' }
    case 'accepted': return { text: '已加入', tone: 'ok' }
    case 'declined': return { text: '已谢绝', tone: 'mute' }
    case 'withdrawn': return { text: '已撤回', tone: 'mute' }
    case 'expired': return { text: '已过期', tone: 'warn' }
    default: return { text: '已结束', tone: 'mute' }
  }
}
