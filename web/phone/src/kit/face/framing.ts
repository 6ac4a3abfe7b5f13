/**
 * The framing check before a face video (人脸核验): is there one face, lit, in
 * the middle, near enough and still? It spares useless recordings. It is neither
 * liveness nor identity: those are the checker's to say.
 */

/** A face in the frame; all in fractions of the frame's width and height. */
export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Frame {
  /** Mean brightness of the frame's middle, 0 to 255. */
  light: number
  face: Box | undefined
}

export interface Framing {
  lit: boolean
  centred: boolean
  near: boolean
  still: boolean
  /** All of them. */
  good: boolean
  /** What to do next, as shown and read aloud. */
  hint: string
}

const DARK = 55
const GLARE = 235
const OFF_CENTRE_X = 0.14
const OFF_CENTRE_Y = 0.17
const SMALL = 0.42
const LARGE = 0.95
const MOVED = 0.07

/** Judges a frame by itself and by the one before it. */
export function frame(now: Frame, before?: Frame): Framing {
  const f = now.face
  const lit = now.light >= DARK && now.light <= GLARE
  const dx = f ? f.x + f.width / 2 - 0.5 : 0
  const dy = f ? f.y + f.height / 2 - 0.5 : 0
  const centred = f !== undefined && Math.abs(dx) <= OFF_CENTRE_X && Math.abs(dy) <= OFF_CENTRE_Y
  const near = f !== undefined && f.width >= SMALL && f.width <= LARGE
  const b = before?.face
  const still = f !== undefined && b !== undefined && Math.hypot(f.x - b.x + (f.width - b.width) / 2, f.y - b.y + (f.height - b.height) / 2) <= MOVED
  const hint =
    now.light < DARK ? '光线太暗，请到明亮处'
    : now.light > GLARE ? '光线太强，请避开强光'
    : !f ? '请将面部移入框内'
    : f.width < SMALL ? '请靠近一些'
    : f.width > LARGE ? '请离远一些'
    : !centred ? '请将面部移到框的中间'
    : '请保持不动'
  return { lit, centred, near, still, good: lit && centred && near && still, hint }
}

/** Mean brightness (Rec. 601 luma) of RGBA pixels. */
export function brightness(rgba: Uint8ClampedArray): number {
  let sum = 0
  for (let i = 0; i + 3 < rgba.length; i += 4) sum += 0.299 * rgba[i]! + 0.587 * rgba[i + 1]! + 0.114 * rgba[i + 2]!
  return rgba.length < 4 ? 0 : sum / (rgba.length >> 2)
}

/** The part of a video that an oval of that aspect shows (object-fit: cover). */
export function visible(width: number, height: number, aspect: number): Box {
  const w = Math.min(width, height * aspect)
  const h = Math.min(height, width / aspect)
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h }
}
