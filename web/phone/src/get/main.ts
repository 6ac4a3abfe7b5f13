import '@twt/shared/theme.css'
import '@twt/shared/base.css'
import './get.css'
import { wayOf, type Way } from './way'

// The install page: a QR code on a computer, on a phone the button and the
// system's own steps. It is whole without this script but for the button.

/** Chrome's event, which no type library has yet. */
interface InstallPrompt extends Event {
  prompt(): Promise<void>
  userChoice: Promise<{ outcome: 'accepted' | 'dismissed' }>
}

const root = document.documentElement
const $ = (id: string) => document.getElementById(id)!

function theme() {
  let chosen: string | null = null
  try {
    chosen = localStorage.getItem('twt-theme')
  } catch {
    // A browser that keeps nothing follows the system.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  root.dataset.theme = dark ? 'dark' : 'light'
}
theme()
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', theme)

let prompt: InstallPrompt | undefined
let way: Way = 'desktop'

function say(text: string) {
  $('state').textContent = text
}

function show() {
  way = wayOf(navigator.userAgent, navigator.maxTouchPoints)
  root.dataset.way = way
  const installed = matchMedia('(display-mode: standalone)').matches || (navigator as { standalone?: boolean }).standalone === true
  if (installed) location.replace('/')
  if (!isSecureContext && way !== 'desktop') document.querySelector<HTMLElement>('.insecure')!.hidden = false
}
show()

// Kept for the button: the system's own question comes when the user asks for it.
addEventListener('beforeinstallprompt', (e) => {
  e.preventDefault()
  prompt = e as InstallPrompt
  root.dataset.ready = ''
})

addEventListener('appinstalled', () => {
  prompt = undefined
  root.dataset.done = ''
  say('已安装，请从桌面图标打开天威通')
})

$('install').addEventListener('click', async () => {
  const asked = prompt
  if (!asked) {
    const steps = $('steps')
    steps.scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth', block: 'center' })
    steps.focus({ preventScroll: true })
    say(way === 'inside' ? '请先在浏览器中打开本页' : '请按下面的方法添加到主屏幕')
    return
  }
  // It serves once; the browser may offer another one.
  prompt = undefined
  delete root.dataset.ready
  await asked.prompt()
  const { outcome } = await asked.userChoice
  if (outcome === 'accepted') root.dataset.done = ''
  say(outcome === 'accepted' ? '正在安装，完成后请从桌面图标打开' : '没有安装。需要时可以再点「立即安装」')
})

$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(location.href)
    say('已复制，请粘贴到浏览器的地址栏打开')
  } catch {
    say(`请在浏览器中输入地址 ${location.href}`)
  }
})

/** What the operator says of himself; the page does without. */
async function facts() {
  try {
    const r = await fetch('/app/v1/environment')
    if (!r.ok) return
    const e: { sandbox?: boolean; support?: { hotline?: string } } = await r.json()
    document.querySelector<HTMLElement>('.sandbox')!.hidden = !e.sandbox
    if (e.support?.hotline) $('hotline').textContent = `客服热线 ${e.support.hotline}`
  } catch {
    // Offline: nothing is missing that installing needs.
  }
}
void facts()
