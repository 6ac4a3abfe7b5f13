/** How a browser puts a page on the home screen: by which steps. */
export type Way = 'desktop' | 'ios' | 'android' | 'inside'

// Browsers inside chat, payment and news apps, which cannot install.
const inside = /MicroMessenger|\bQQ\/|AlipayClient|DingTalk|Weibo|aweme|toutiao|baiduboxapp|Lark\//i

/**
 * Reads a user-agent string; an iPad says that it is a Mac, but has a touch
 * screen.
 */
export function wayOf(agent: string, touchPoints: number): Way {
  const ios = /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)
  const mobile = ios || /Android|HarmonyOS|OpenHarmony|Mobile/i.test(agent)
  if (!mobile) return 'desktop'
  if (inside.test(agent)) return 'inside'
  return ios ? 'ios' : 'android'
}
