/** The page's side of the QR reader: one worker, one picture at a time. */
import { scriptURL } from '@/trusted'
import workerURL from './decoder.worker?worker&url'

export interface Picture {
  id: number
  width: number
  height: number
  pixels: ArrayBuffer
  /** A chosen picture is looked at longer than a frame of the camera. */
  thorough: boolean
}

export interface Answer {
  id: number
  /** The code's text; empty if there is none. */
  text: string
  /** The reader did not load or broke. */
  failed?: boolean
}

const PATIENCE = 15_000

export class Decoder {
  private readonly worker: Worker
  private readonly waiting = new Map<number, { give: (a: Answer) => void; timer: number }>()
  private last = 0
  private ended = false

  constructor() {
    // A trusted address is an object to the browser, and a string to TypeScript.
    this.worker = new Worker(scriptURL(workerURL), { type: 'module' })
    this.worker.onmessage = (e: MessageEvent<Answer>) => this.answer(e.data)
    this.worker.onerror = () => this.fail()
  }

  private answer(a: Answer) {
    const w = this.waiting.get(a.id)
    if (!w) return
    clearTimeout(w.timer)
    this.waiting.delete(a.id)
    w.give(a)
  }

  private fail() {
    for (const id of this.waiting.keys()) this.answer({ id, text: '', failed: true })
  }

  /** Looks for a code; its pixels are handed over. */
  read(image: ImageData, thorough = false): Promise<Answer> {
    const id = ++this.last
    if (this.ended) return Promise.resolve({ id, text: '', failed: true })
    return new Promise((give) => {
      const timer = window.setTimeout(() => this.answer({ id, text: '', failed: true }), PATIENCE)
      this.waiting.set(id, { give, timer })
      const pixels = image.data.buffer as ArrayBuffer
      const picture: Picture = { id, width: image.width, height: image.height, pixels, thorough }
      this.worker.postMessage(picture, [pixels])
    })
  }

  end() {
    this.ended = true
    this.fail()
    this.worker.terminate()
  }
}

let canvas: HTMLCanvasElement | undefined

/** The pixels of a picture or of the camera's present frame, at most max wide and high. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number, max: number): ImageData | undefined {
  if (!width || !height) return undefined
  const scale = Math.min(1, max / Math.max(width, height))
  canvas ??= document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) return undefined
  context.drawImage(source, 0, 0, canvas.width, canvas.height)
  return context.getImageData(0, 0, canvas.width, canvas.height)
}
