import { hold } from '@/state/busy'

let running: Promise<void> | undefined

/** Finishes or drops a change of PIN that broke off; once at a time, never throws. */
export function settle(): Promise<void> {
  running ??= run().finally(() => {
    running = undefined
  })
  return running
}

async function run(): Promise<void> {
  const release = hold()
  try {
    const { startOperation } = await import('@/core')
    const operation = startOperation({ kind: 'settle' })
    await new Promise<void>((resolve) => {
      // What failed is tried again the next time the app opens.
      operation.on((e) => {
        if (e.type === 'done' || e.type === 'failed') resolve()
      })
    })
    operation.end()
  } catch {
    // The core could not be loaded: the next start tries again.
  } finally {
    release()
  }
}
