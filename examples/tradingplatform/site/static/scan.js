// Follows one scan without reloading: the code is replaced when it is due, the
// states come as events, or are asked for where events do not come through.
'use strict'

const root = document.getElementById('scan')
const path = root.dataset.path
const $ = (id) => document.getElementById(id)
const poll = 2000
const linger = 900 // how long the good end is seen before the page goes on

let phase = root.dataset.phase
let final = false
let due // timer of the next code
let turns = 0 // when the code turns, by this browser's clock
let ends = 0 // when the transaction ends

function show(view) {
  const before = phase
  phase = root.dataset.phase = view.phase
  final = view.final
  for (const part of root.querySelectorAll('[data-show]')) {
    part.toggleAttribute('hidden', !part.dataset.show.split(' ').includes(phase)) // the ring is no HTML element
  }
  $('label').textContent = view.label
  $('text').textContent = view.text
  if (phase === 'scanned') {
    $('digits').hidden = !view.code
    $('digits').textContent = view.code || ''
    $('wait').hidden = Boolean(view.code)
    $('ask').textContent = view.code ? '请在手机上输入这组数字' : '请在手机上继续'
    if (view.code) say(`验证数字 ${[...view.code].join(' ')}`)
  }
  $('again').textContent = phase === 'expired' ? '已过期，点击刷新' : '重新获取二维码'
  const steps = root.querySelectorAll('.steps li')
  const step = { waiting: 0, scanned: view.code ? 1 : steps.length - 2, done: steps.length - 1 }[phase]
  steps.forEach((li, i) => {
    li.toggleAttribute('data-done', i < step || phase === 'done')
    if (i === step) li.setAttribute('aria-current', 'step')
    else li.removeAttribute('aria-current')
  })
  if (phase !== 'waiting') clearTimeout(due)
  left()
  if (phase === 'done' && before !== 'done') setTimeout(() => $('finish').requestSubmit(), linger)
}

function say(words) {
  $('said').textContent = words
}

// code asks for the next picture when the present one is due.
async function code() {
  clearTimeout(due)
  if (phase !== 'waiting') return
  let wait = poll
  try {
    const answer = await fetch(path + '/qr', { cache: 'no-store' })
    if (answer.ok) {
      const qr = await answer.json()
      if (phase !== 'waiting') return
      $('code').src = qr.image
      ends = performance.now() + qr.expiresIn
      wait = Math.max(1000, qr.rotatesIn)
      turns = performance.now() + wait
      ring(wait)
    }
  } catch {
    // The network is away for a moment: the next try is on its way.
  }
  due = setTimeout(code, wait)
  left()
}

// ring runs down while the code is good.
function ring(ms) {
  const style = $('ring').style
  style.transition = 'none'
  style.strokeDashoffset = '0'
  $('ring').getBoundingClientRect() // the start is drawn before the way to the end
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
  style.transition = `stroke-dashoffset ${ms}ms linear`
  style.strokeDashoffset = '-100'
}

const spoken = new Set()

// left shows the time that remains; it is spoken at 60, 30 and 10 seconds only.
function left() {
  const now = performance.now()
  const seconds = Math.max(0, Math.ceil((ends - now) / 1000))
  const turn = Math.max(0, Math.ceil((turns - now) / 1000))
  // A code that could not be replaced in time is dead: it is not offered.
  root.toggleAttribute('data-stale', phase === 'waiting' && turns > 0 && now > turns + 2 * poll)
  if (final || !ends) $('left').textContent = ''
  else if (phase !== 'waiting') $('left').textContent = `剩余 ${seconds} 秒`
  else if (root.hasAttribute('data-stale')) $('left').textContent = '网络不通，正在重新获取二维码'
  else $('left').textContent = turn ? `${turn} 秒后自动更换二维码` : '正在更换二维码'
  if (!final && ends && [60, 30, 10].includes(seconds) && !spoken.has(seconds)) {
    spoken.add(seconds)
    say(`剩余 ${seconds} 秒`)
  }
}

async function ask() {
  if (final) return
  try {
    const answer = await fetch(path + '/state', { cache: 'no-store' })
    if (answer.ok) show(await answer.json())
    else if (answer.status === 404) location.assign('/')
  } catch {
    // Asked again below.
  }
  if (!final) setTimeout(ask, poll)
}

function listen() {
  if (!window.EventSource) return ask()
  const events = new EventSource(path + '/events')
  events.addEventListener('state', (e) => {
    show(JSON.parse(e.data))
    if (final) events.close()
  })
  // The browser reconnects by itself; what it has given up is asked for.
  events.onerror = () => {
    if (!final && events.readyState === EventSource.CLOSED) ask()
  }
}

if (['waiting', 'scanned'].includes(phase)) {
  root.setAttribute('data-live', '')
  code()
  setInterval(left, 500)
  listen()
} else if (phase === 'done') {
  setTimeout(() => $('finish').requestSubmit(), linger)
}
