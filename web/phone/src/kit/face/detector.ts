/**
 * Finds a face in a picture, on the phone itself: face-api's tiny detector
 * behind a typed door, because its own types of tensors are wrong. Loaded when a
 * face is first asked for; the model lies beside the app's other files.
 */
import modelURL from '@vladmandic/face-api/model/tiny_face_detector_model.bin?url'
import manifest from '@vladmandic/face-api/model/tiny_face_detector_model-weights_manifest.json'
import type { Box } from './framing'

interface Library {
  tf: {
    setBackend(name: string): Promise<boolean>
    ready(): Promise<void>
    io: { decodeWeights(data: ArrayBuffer, specs: unknown): unknown }
  }
  nets: { tinyFaceDetector: { loadFromWeightMap(weights: unknown): void } }
  TinyFaceDetectorOptions: new (options: { inputSize: number; scoreThreshold: number }) => object
  detectSingleFace(picture: HTMLCanvasElement, options: object): Promise<{ box: Box } | undefined>
}

/** Finds the most certain face; the box is in the picture's pixels. */
export type Detector = (picture: HTMLCanvasElement) => Promise<Box | undefined>

let loading: Promise<Detector> | undefined

async function load(): Promise<Detector> {
  const [library, response] = await Promise.all([import('@vladmandic/face-api') as Promise<unknown>, fetch(modelURL)])
  if (!response.ok) throw new Error(`face model: ${response.status}`)
  const { tf, nets, TinyFaceDetectorOptions, detectSingleFace } = library as Library
  if (!(await tf.setBackend('webgl').catch(() => false))) await tf.setBackend('cpu')
  await tf.ready()
  nets.tinyFaceDetector.loadFromWeightMap(tf.io.decodeWeights(await response.arrayBuffer(), manifest[0]!.weights))
  const options = new TinyFaceDetectorOptions({ inputSize: 224, scoreThreshold: 0.45 })
  return async (picture) => (await detectSingleFace(picture, options))?.box
}

/** The detector; a load that failed is tried again the next time. */
export function faceDetector(): Promise<Detector> {
  loading ??= load().catch((e: unknown) => {
    loading = undefined
    throw e
  })
  return loading
}
