/** The camera and its recording, as the face check wants them: no sound, 3 s. */

export type CameraProblem = 'denied' | 'none' | 'taken' | 'unsupported'

/** How long a face video is, in milliseconds. */
export const LENGTH = 3000

const TYPES = ['video/mp4;codecs=avc1', 'video/mp4', 'video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm']

function type(): string | undefined {
  return typeof MediaRecorder === 'undefined' ? undefined : TYPES.find((t) => MediaRecorder.isTypeSupported(t))
}

/** Opens the front camera, or says why there is none. */
export async function openCamera(): Promise<MediaStream | CameraProblem> {
  if (!navigator.mediaDevices?.getUserMedia || !type()) return 'unsupported'
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: 'user', width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 24, max: 30 } } })
  } catch (e) {
    const name = e instanceof DOMException ? e.name : ''
    if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'none'
    if (name === 'NotReadableError' || name === 'AbortError') return 'taken'
    return 'denied'
  }
}

/** Stops every track: the camera's light goes out. */
export function closeCamera(stream: MediaStream | undefined) {
  for (const t of stream?.getTracks() ?? []) t.stop()
}

export interface Recording {
  /** The video, its type without parameters; rejects when it was dropped or failed. */
  video: Promise<Blob>
  /** Ends it and gives the video. */
  end(): void
  /** Ends it and gives nothing. */
  drop(): void
}

/** Records the stream until end() or drop(). */
export function record(stream: MediaStream): Recording {
  const mimeType = type()!
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 1_500_000 })
  const parts: Blob[] = []
  let dropped = false
  const video = new Promise<Blob>((resolve, reject) => {
    recorder.ondataavailable = (e) => {
      if (e.data.size > 0) parts.push(e.data)
    }
    recorder.onerror = () => reject(new Error('recording failed'))
    recorder.onstop = () => {
      if (dropped || parts.length === 0) reject(new Error(dropped ? 'dropped' : 'empty'))
      else resolve(new Blob(parts, { type: mimeType.replace(/;.*$/, '') }))
    }
  })
  const stop = () => {
    if (recorder.state !== 'inactive') recorder.stop()
  }
  recorder.start()
  return {
    video,
    end: stop,
    drop() {
      dropped = true
      stop()
    },
  }
}
