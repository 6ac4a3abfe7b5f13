/**
 * Finds a QR code in a picture, away from the page. The reader's WebAssembly comes
 * from this origin, in the version of the JavaScript beside it.
 */
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import wasmURL from 'zxing-wasm/reader/zxing_reader.wasm?url'
import type { Answer, Picture } from './decoder'

const scope = self as unknown as { onmessage: ((e: MessageEvent<Picture>) => void) | null; postMessage: (message: Answer) => void }

void prepareZXingModule({
  overrides: { locateFile: (path: string, prefix: string) => (path.endsWith('.wasm') ? wasmURL : prefix + path) },
  fireImmediately: true,
}).catch(() => undefined)

scope.onmessage = (e) => void read(e.data)

async function read({ id, width, height, pixels, thorough }: Picture) {
  try {
    const image = new ImageData(new Uint8ClampedArray(pixels), width, height)
    const found = await readBarcodes(image, { formats: ['QRCode'], maxNumberOfSymbols: 1, tryHarder: true, tryInvert: thorough, tryDownscale: thorough })
    const code = found.find((f) => f.isValid && f.text)
    scope.postMessage({ id, text: code?.text ?? '' })
  } catch {
    scope.postMessage({ id, text: '', failed: true })
  }
}
