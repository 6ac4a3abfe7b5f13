/**
 * As whom one acts (身份切换, M§2.4.3): oneself, or an enterprise one belongs to.
 * Remembered on this device for the account, the same in every tab. Requests carry
 * it as the query parameter `as`; the server says whether it still holds.
 */
import { computed, ref } from 'vue'
import { useSession } from './session'

const KEY = 'twt-identity'

interface Kept {
  account: string
  enterprise: string
}

function read(text: string | null): Kept | undefined {
  try {
    const kept = JSON.parse(text ?? 'null') as Partial<Kept> | null
    return typeof kept?.account === 'string' && typeof kept.enterprise === 'string' ? { account: kept.account, enterprise: kept.enterprise } : undefined
  } catch {
    return undefined
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

const kept = ref(read(stored()))
window.addEventListener('storage', (e) => {
  if (e.key === KEY) kept.value = read(e.newValue)
})

/** The enterprise as which one acts; empty for the person. */
export const identity = computed(() => {
  const { account } = useSession()
  return account !== undefined && kept.value?.account === account ? kept.value.enterprise : ''
})

/** Acts as an enterprise, or as oneself (''), from the next request on. */
export function actAs(enterprise: string) {
  const { account } = useSession()
  kept.value = account && enterprise ? { account, enterprise } : undefined
  try {
    if (kept.value) localStorage.setItem(KEY, JSON.stringify(kept.value))
    else localStorage.removeItem(KEY)
  } catch {
    // Then this page alone knows it.
  }
}

// What is the account's, whoever it acts as.
const SHARED = new Set(['environment', 'me', 'identities', 'notices', 'keys-here', 'regions', 'realname', 'applications', 'requests', 'invitations'])

/** The key of a query: what an identity has seen is never shown to another. */
export function keyOf(key: readonly unknown[]): string {
  return SHARED.has(String(key[0])) ? JSON.stringify(key) : `${identity.value} ${JSON.stringify(key)}`
}
