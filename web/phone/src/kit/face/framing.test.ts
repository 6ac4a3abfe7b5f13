import { expect, it } from 'vitest'
import { brightness, frame, visible, type Box, type Frame } from './framing'

const middle: Box = { x: 0.2, y: 0.2, width: 0.6, height: 0.6 }
const good: Frame = { light: 120, face: middle }
const hint = (f: Partial<Frame>) => frame({ ...good, ...f }, good).hint

it('takes a lit face in the middle that stays', () => {
  expect(frame(good, good)).toEqual({ lit: true, centred: true, near: true, still: true, good: true, hint: '请保持不动' })
})

it('waits for a second frame before it says still', () => {
  expect(frame(good)).toMatchObject({ still: false, good: false, hint: '请保持不动' })
  expect(frame({ light: 120, face: { ...middle, x: 0.3 } }, good)).toMatchObject({ still: false, good: false })
})

it('says what to do', () => {
  expect(hint({ light: 20 })).toContain('太暗')
  expect(hint({ light: 250 })).toContain('太强')
  expect(hint({ face: undefined })).toBe('请将面部移入框内')
  expect(hint({ face: { x: 0.4, y: 0.4, width: 0.2, height: 0.2 } })).toBe('请靠近一些')
  expect(hint({ face: { x: 0, y: 0, width: 1, height: 1 } })).toBe('请离远一些')
  expect(hint({ face: { ...middle, x: 0.4 } })).toContain('中间')
})

it('never takes a frame without a face, however lit', () => {
  for (let light = 0; light <= 255; light += 15) expect(frame({ light, face: undefined }, { light, face: undefined }).good).toBe(false)
})

it('measures light and the visible part', () => {
  expect(brightness(new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255]))).toBeCloseTo(127.5)
  expect(brightness(new Uint8ClampedArray())).toBe(0)
  expect(visible(640, 480, 0.75)).toEqual({ x: 140, y: 0, width: 360, height: 480 })
  expect(visible(480, 640, 0.75)).toEqual({ x: 0, y: 0, width: 480, height: 640 })
})
