import { describe, expect, it } from 'vitest'
import { wayOf } from './way'

describe('the steps for a browser', () => {
  const chrome = '(KHTML, like Gecko) Chrome/141.0.0.0'
  const safari = 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1'
  it.each([
    ['desktop', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 ${chrome} Safari/537.36`, 0],
    ['desktop', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari} Safari/605.1.15`, 0],
    ['ios', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari} Safari/605.1.15`, 5],
    ['ios', `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${safari} Mobile/15E148 Safari/604.1`, 5],
    ['android', `Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 ${chrome} Mobile Safari/537.36`, 5],
    ['android', `Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 ${chrome} ArkWeb/4.1 Mobile HuaweiBrowser/5.0`, 5],
    ['inside', `Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 ${chrome} Mobile Safari/537.36 MicroMessenger/8.0.50`, 5],
    ['inside', `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 AlipayClient/10.6`, 5],
    // On a computer the same apps show the QR code like any browser.
    ['desktop', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 ${chrome} Safari/537.36 MicroMessenger/7.0 WindowsWechat`, 0],
  ] as const)('%s: %s', (way, agent, touch) => {
    expect(wayOf(agent, touch)).toBe(way)
  })
})
