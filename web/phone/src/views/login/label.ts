/**
 * What a device is called in the list of devices (设备), from its browser's own
 * words: "iPhone · Safari". Only for people to tell their devices apart.
 */
export function deviceLabel(userAgent: string, touchPoints = 0): string {
  const first = (table: [RegExp, string][]) => table.find(([r]) => r.test(userAgent))?.[1]
  const machine =
    // An iPad says that it is a Mac; a Mac has no touch screen.
    (/Macintosh/.test(userAgent) && touchPoints > 1 ? 'iPad' : undefined) ??
    first([
      [/iPhone/, 'iPhone'],
      [/iPad/, 'iPad'],
      [/HarmonyOS|OpenHarmony/, '鸿蒙手机'],
      [/Android.*Mobile/, '安卓手机'],
      [/Android/, '安卓平板'],
      [/Windows/, 'Windows 电脑'],
      [/Macintosh|Mac OS X/, 'Mac 电脑'],
      [/Linux|CrOS/, 'Linux 电脑'],
    ]) ??
    '其他设备'
  const browser =
    first([
      [/MicroMessenger/, '微信'],
      [/DingTalk/, '钉钉'],
      [/HuaweiBrowser/, '华为浏览器'],
      [/MiuiBrowser/, '小米浏览器'],
      [/MQQBrowser|QQBrowser/, 'QQ 浏览器'],
      [/UCBrowser/, 'UC 浏览器'],
      [/EdgA?\/|EdgiOS/, 'Edge'],
      [/FxiOS|Firefox/, 'Firefox'],
      [/SamsungBrowser/, '三星浏览器'],
      [/CriOS|Chrome|Chromium/, 'Chrome'],
      [/Safari/, 'Safari'],
    ]) ?? '浏览器'
  return `${machine} · ${browser}`
}
