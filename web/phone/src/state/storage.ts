/**
 * Whether this browser can keep keys (2.7.8): told before anything is bought or
 * installed. The core probes it once a page; useStorage() gives what it found.
 */
import { computed, ref } from 'vue'

type Reason = 'blocked' | 'no-key-store' | 'no-crypto' | 'no-webassembly' | 'quota'

const found = ref<{ ok: true; persisted: boolean } | { ok: false; reason: Reason; detail: string }>()
let probing: Promise<void> | undefined

async function probe() {
  try {
    const { probeStorage } = await import('@/core')
    found.value = await probeStorage()
  } catch {
    // The probe itself could not be loaded: that is the network's matter.
    probing = undefined
  }
}

/** A plain Safari tab on an iPhone: what it keeps is not what the installed app keeps. */
const safariTab =
  (/iPhone|iPad/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1)) &&
  !(navigator as { standalone?: boolean }).standalone &&
  !matchMedia('(display-mode: standalone)').matches

/**
 * blocked: buying and installing must be refused here, StorageNotice says why.
 * known: the probe has answered.
 */
export function useStorage() {
  probing ??= probe()
  return {
    found,
    safariTab,
    known: computed(() => found.value !== undefined),
    blocked: computed(() => found.value?.ok === false),
    again() {
      found.value = undefined
      probing = probe()
      return probing
    },
  }
}
