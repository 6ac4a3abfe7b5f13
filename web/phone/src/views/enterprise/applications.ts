/** Applications to verify an enterprise (企业实名, M§2.4.2), as the screens read and change them. */
import { useQuery, useQueryClient, type QueryClient } from '@tanstack/vue-query'
import { computed, onBeforeUnmount, shallowReactive, watch, type Ref } from 'vue'
import { api, ok, type Schemas } from '@/api'

export type Application = Schemas['ApplicationBody']
export type PictureKind = 'id-front' | 'id-back' | 'licence' | 'letter'

/** Something outside is being asked, or an officer looks: the state moves by itself. */
export function moving(a: Application | undefined): boolean {
  return a !== undefined && (a.busy || a.state === 'verifying')
}

/** One application; read anew while it moves. */
export function useApplication(id: Ref<string>) {
  return useQuery({
    queryKey: computed(() => ['applications', 'one', id.value]),
    queryFn: () => ok(api.GET('/app/v1/enterprise-applications/{id}', { params: { path: { id: id.value } } })),
    enabled: computed(() => id.value !== ''),
    refetchInterval: (q) => (moving(q.state.data) ? 2000 : q.state.data?.state === 'reviewing' ? 60_000 : false),
  })
}

/** Takes an answer of the server as what the screens show. */
export function keep(queries: QueryClient, a: Application): Application {
  queries.setQueryData(['applications', 'one', a.id], a)
  void queries.invalidateQueries({ queryKey: ['identities'] })
  void queries.invalidateQueries({ queryKey: ['todos'] })
  return a
}

/** Sends a picture of an application. */
export function sendPicture(id: string, kind: PictureKind, file: Blob): Promise<Application> {
  return ok(
    api.PUT('/app/v1/enterprise-applications/{id}/pictures/{kind}', {
      params: { path: { id, kind } },
      body: file as unknown as string,
      bodySerializer: (b: unknown) => b as Blob,
      headers: { 'Content-Type': file.type },
    }),
  )
}

/** The pictures that the server keeps, as addresses for <img>; let go with the component. */
export function usePictures(application: Ref<Application | undefined>) {
  const urls = shallowReactive<Partial<Record<PictureKind, string>>>({})
  const queries = useQueryClient()
  let gone = false

  async function load(id: string, kind: PictureKind) {
    try {
      const picture = await queries.fetchQuery({
        queryKey: ['applications', 'picture', id, kind],
        staleTime: Infinity,
        queryFn: () => ok(api.GET('/app/v1/enterprise-applications/{id}/pictures/{kind}', { params: { path: { id, kind } }, parseAs: 'blob' })) as Promise<unknown> as Promise<Blob>,
      })
      if (gone) return
      if (urls[kind]) URL.revokeObjectURL(urls[kind])
      urls[kind] = URL.createObjectURL(picture)
    } catch {
      // The form says that it is there; the preview alone is missing.
    }
  }
  watch(
    () => (application.value?.pictures ?? []).join(),
    () => {
      for (const kind of (application.value?.pictures ?? []) as PictureKind[]) if (!urls[kind]) void load(application.value!.id, kind)
    },
    { immediate: true },
  )
  onBeforeUnmount(() => {
    gone = true
    for (const url of Object.values(urls)) URL.revokeObjectURL(url)
  })
  return {
    urls,
    /** After another picture was sent: what was read before is no longer it. */
    async renew(id: string, kind: PictureKind) {
      queries.removeQueries({ queryKey: ['applications', 'picture', id, kind] })
      await load(id, kind)
    },
  }
}
