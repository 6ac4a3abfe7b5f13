import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { clearSession, onSessionChange, session } from '@twt/shared/api/device'

/** Whether somebody is signed in here, and the re-login that a broken session asks for. */
export const useSession = defineStore('session', () => {
  const account = ref<string>()
  const loaded = ref(false)
  const asking = ref(false)
  let answer: ((signedIn: boolean) => void) | undefined
  let leaving = false

  async function load() {
    account.value = (await session().catch(() => undefined))?.account
    if (account.value) leaving = false
    loaded.value = true
  }

  /** Before the user ends the session himself: its end asks for no new login. The result takes that back. */
  function leave(): () => void {
    leaving = true
    return () => {
      leaving = false
    }
  }

  /** Opens the login over the page that is shown; true once it is done. */
  function again(): Promise<boolean> {
    if (leaving) return Promise.resolve(false)
    asking.value = true
    return new Promise((resolve) => {
      answer = resolve
    })
  }

  async function answered(signedIn: boolean) {
    asking.value = false
    await load()
    answer?.(signedIn)
    answer = undefined
  }

  /** Forgets the session on this phone; its keys stay. */
  async function forget() {
    await clearSession()
    account.value = undefined
  }

  onSessionChange(() => void load())

  return { account, loaded, asking, signedIn: computed(() => account.value !== undefined), load, again, answered, leave, forget }
})
