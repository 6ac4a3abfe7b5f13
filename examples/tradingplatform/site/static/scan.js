// Follows one scan without reloading: the code is replaced when it is due, the
// states come as events, or are asked for where events do not come through.
'use strict'

const root = document.getElementById('scan')
const path = root.dataset.path
const $ = (id) => document.getElementById(id)
const poll = 2000

let phase = root.dataset.phase
let final = false
let due // timer of the next code
let ends = 0 // when the transaction ends, by this browser's clock

function show(view) {
  const before = phase
  phase = root.dataset.phase = view.phase
  final = view.final
  for (const part of root.querySelectorAll('[data-show]')) {
    part.hidden = !part.dataset.show.split(' ').includes(phase)
  }
  $('label').textContent = view.label
  $('text').textContent = view.text
  if (phase === 'scanned') {
    $('digits').textContent = view.code || '✓'
    $('digits').className = view.code ? 'digits num' : 'mark'
    if (view.code) $('said').textContent = `验证数字 ${[...view.code].join(' ')}`
  }
  $('again').textContent = phase === 'expired' ? '已过期，点击刷新' : '重新获取二维码'
  const step = { waiting: 0, scanned: view.code ? 1 : 2, done: 3 }[phase]
  root.querySelectorAll('.steps li').forEach((li, i) => {
    if (i === step) li.setAttribute('aria-current', 'step')
    else li.removeAttribute('aria-current')
  })
  if (phase !== 'waiting') clearTimeout(due)
  left()
  if (phase === 'done' && before !== 'done') $('finish').requestSubmit()
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
    }
  } catch {
    // The network is away for a moment: the next try is on its way.
  }
  due = setTimeout(code, wait)
}

const spoken = new Set()

// left shows the time that remains; it is spoken at 60, 30 and 10 seconds only.
function left() {
  if (final) $('left').textContent = ''
  if (final || !ends) return
  const seconds = Math.max(0, Math.ceil((ends - performance.now()) / 1000))
  $('left').textContent = `剩余 ${seconds} 秒` + (phase === 'waiting' ? '，二维码自动更换' : '')
  if ([60, 30, 10].includes(seconds) && !spoken.has(seconds)) {
    spoken.add(seconds)
    $('said').textContent = `剩余 ${seconds} 秒`
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
  code()
  setInterval(left, 1000)
  listen()
} else if (phase === 'done') {
  $('finish').requestSubmit()
}
