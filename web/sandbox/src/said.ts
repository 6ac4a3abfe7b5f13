import { ref } from 'vue'

/** What was just done or could not be done, shown for a few seconds. */
export const said = ref<{ text: string; bad: boolean }>()

let timer: ReturnType<typeof setTimeout> | undefined

export function say(text: string, bad = false) {
  said.value = { text, bad }
  clearTimeout(timer)
  timer = setTimeout(() => (said.value = undefined), bad ? 8000 : 4000)
}

/** Runs what a button does; says what went wrong. */
export async function attempt(what: () => Promise<void>) {
  try {
    await what()
  } catch (e) {
    say(e instanceof TypeError ? '无法连接沙箱，操作没有执行。请确认服务正在运行后重试。' : `操作没有执行：${(e as Error).message}`, true)
  }
}
