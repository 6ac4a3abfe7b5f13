/**
 * The texts that this service's QR codes carry: an address of the house with the
 * token in its fragment (docs/scan.md). Anything else is refused here and sent
 * nowhere; whether one is genuine and alive the server says.
 */
const TOKEN = /^#k=[A-Za-z0-9_-]{16,200}$/

/** The text as it is posted, or undefined if it is not one of ours. */
export function scanText(text: string): string | undefined {
  const trimmed = text.trim()
  let url: URL
  try {
    url = new URL(trimmed)
  } catch {
    return undefined
  }
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.username || url.password) return undefined
  return url.pathname === '/s' && url.search === '' && TOKEN.test(url.hash) ? trimmed : undefined
}

export const FOREIGN = '这不是互认平台的二维码，请核对网址'
