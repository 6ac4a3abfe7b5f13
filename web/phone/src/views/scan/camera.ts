/** The back camera while a component shows it: on, off with the page, torch. */
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** Why there is no picture: refused, none there, in use elsewhere, or not possible in this browser. */
export type CameraState = 'starting' | 'live' | 'denied' | 'none' | 'busy' | 'impossible'

type TorchCapabilities = MediaTrackCapabilities & { torch?: boolean }

export interface Camera {
  state: Ref<CameraState>
  hasTorch: Ref<boolean>
  torch: Ref<boolean>
  start: () => Promise<void>
  stop: () => void
  toggleTorch: () => Promise<void>
}

export function useCamera(video: Ref<HTMLVideoElement | undefined>): Camera {
  const state = ref<CameraState>('starting')
  const hasTorch = ref(false)
  const torch = ref(false)
  let stream: MediaStream | undefined
  let turn = 0

  async function start() {
    stop()
    const mine = ++turn
    state.value = 'starting'
    if (!navigator.mediaDevices?.getUserMedia) {
      state.value = 'impossible'
      return
    }
    try {
      const got = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } },
      })
      if (mine !== turn || !video.value) {
        for (const t of got.getTracks()) t.stop()
        return
      }
      stream = got
      video.value.srcObject = got
      await video.value.play().catch(() => undefined)
      if (mine !== turn) return
      const track = got.getVideoTracks()[0]
      track?.addEventListener('ended', () => {
        if (stream === got) state.value = 'busy'
      })
      hasTorch.value = (track?.getCapabilities?.() as TorchCapabilities | undefined)?.torch === true
      state.value = 'live'
    } catch (e) {
      if (mine === turn) state.value = reason(e)
    }
  }

  function stop() {
    turn++
    for (const t of stream?.getTracks() ?? []) t.stop()
    stream = undefined
    torch.value = false
    hasTorch.value = false
    if (video.value) video.value.srcObject = null
  }

  async function toggleTorch() {
    const track = stream?.getVideoTracks()[0]
    if (!track) return
    const on = !torch.value
    try {
      await track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] })
      torch.value = on
    } catch {
      hasTorch.value = false
    }
  }

  // A page in the background has no use for the camera; its light would stay on.
  const shown = () => {
    if (document.hidden) stop()
    else if (state.value === 'live' || state.value === 'starting' || state.value === 'busy') void start()
  }
  onMounted(() => {
    document.addEventListener('visibilitychange', shown)
    void start()
  })
  onBeforeUnmount(() => {
    document.removeEventListener('visibilitychange', shown)
    stop()
  })
  return { state, hasTorch, torch, start, stop, toggleTorch }
}

function reason(e: unknown): CameraState {
  switch (e instanceof DOMException ? e.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'none'
    case 'NotReadableError':
    case 'AbortError':
      return 'busy'
    default:
      return 'impossible'
  }
}
