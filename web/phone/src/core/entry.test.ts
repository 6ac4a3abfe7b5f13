import { describe, expect, it } from 'vitest'
import { Entries } from './entry'
import { ENTRIES, type CoreEvent, type Job } from './job'

const text = (pin: Uint8Array) => String.fromCharCode(...pin)

function entries(kind: Job['kind'], weak: (pin: string) => string = () => '') {
  const events: CoreEvent[] = []
  const e = new Entries(ENTRIES[kind], (pin) => Promise.resolve(weak(text(pin))), (event) => events.push(event))
  const type = async (digits: string) => {
    let out: Uint8Array[] | undefined
    for (const d of digits) out = await e.press(d)
    return out
  }
  return { e, events, type }
}

describe('the entries of a job', () => {
  it('give the PINs in order once the last is complete', async () => {
    const { events, type } = entries('changePIN')
    expect(await type('271942')).toBeUndefined()
    expect(await type('730194')).toBeUndefined()
    expect((await type('730194'))?.map(text)).toEqual(['271942', '730194', '730194'])
    expect(events.map((e) => (e.type === 'count' ? e.entry + e.count : e.type))).toEqual([
      ...[1, 2, 3, 4, 5, 6].map((n) => `old${n}`), ...[0, 1, 2, 3, 4, 5, 6].map((n) => `new${n}`), ...[0, 1, 2, 3, 4, 5, 6].map((n) => `again${n}`),
    ])
  })

  it('take no digit while the job runs, and begin again after a restart', async () => {
    const { e, events, type } = entries('install')
    const pins = await type('271942')
    events.length = 0
    await type('1')
    expect(events).toEqual([])
    e.restart()
    expect(text(pins![0]!)).toBe('\0'.repeat(6))
    expect((await type('730194'))?.map(text)).toEqual(['730194'])
  })

  it('take nothing but digits', async () => {
    const { events, type } = entries('install')
    await type('a٣-')
    expect(events).toEqual([])
  })

  it('refuse a weak PIN before it is typed again', async () => {
    const { events, type } = entries('setPIN', (pin) => (pin === '123456' ? '过于常见' : ''))
    await type('123456')
    expect(events.at(-1)).toEqual({ type: 'weak', detail: '过于常见' })
    await type('271942')
    expect((await type('271942'))?.map(text)).toEqual(['271942', '271942'])
  })

  /** Entries of a first PIN whose judgement the test gives by hand. */
  function judged() {
    let judge: (words: string) => void = () => undefined
    const events: CoreEvent[] = []
    const e = new Entries(ENTRIES.setPIN, () => new Promise((resolve) => (judge = resolve)), (event) => events.push(event))
    const type = (digits: string) => Promise.all([...digits].map((d) => e.press(d))).then((all) => all.find((pins) => pins))
    return { e, events, type, judge: (words: string) => judge(words) }
  }

  it('say that the next begins only once the new PIN was found fit', async () => {
    const { events, type, judge } = judged()
    const all = type('271942')
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'new', count: 6 })
    judge('')
    await all
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'again', count: 0 })
  })

  it('lose no digit of who types on while the new PIN is judged', async () => {
    const { events, type, judge } = judged()
    const all = type('271942' + '271942')
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'new', count: 6 })
    judge('')
    expect((await all)?.map(text)).toEqual(['271942', '271942'])
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'again', count: 6 })
  })

  it('take back what was typed meanwhile, digit by digit or all of it', async () => {
    const { e, events, type, judge } = judged()
    const first = type('2719428')
    e.erase()
    const second = type('27')
    judge('')
    await Promise.all([first, second])
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'again', count: 2 })

    const other = judged()
    const typed = other.type('271942271')
    other.e.clear()
    other.judge('')
    await typed
    expect(other.events.at(-1)).toEqual({ type: 'count', entry: 'again', count: 0 })
  })

  it('forget what was typed meanwhile when the new PIN is refused', async () => {
    const { events, type, judge } = judged()
    const all = type('123456' + '1234')
    judge('过于常见')
    expect(await all).toBeUndefined()
    expect(events.at(-1)).toEqual({ type: 'weak', detail: '过于常见' })
    const next = type('271942')
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'new', count: 6 })
    judge('')
    await next
    expect((await type('271942'))?.map(text)).toEqual(['271942', '271942'])
  })

  it('refuse the old PIN as the new one', async () => {
    const { events, type } = entries('changePIN')
    await type('271942')
    await type('271942')
    expect(events.at(-1)?.type).toBe('weak')
    await type('730194')
    expect((await type('730194'))?.length).toBe(3)
  })

  it('begin with the new PIN again if the second differs', async () => {
    const { events, type } = entries('recover')
    await type('271942')
    expect(await type('271943')).toBeUndefined()
    expect(events.at(-1)).toEqual({ type: 'different' })
    await type('271942')
    expect((await type('271942'))?.map(text)).toEqual(['271942', '271942'])
  })

  it('erase and clear', async () => {
    const { e, events, type } = entries('install')
    await type('123')
    e.erase()
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'pin', count: 2 })
    e.clear()
    expect(events.at(-1)).toEqual({ type: 'count', entry: 'pin', count: 0 })
    e.erase()
    e.clear()
    expect(events.length).toBe(5)
    expect((await type('271942'))?.map(text)).toEqual(['271942'])
  })

  it('ask for nothing in a job without a PIN', async () => {
    const { events, type } = entries('settle')
    expect(await type('1')).toBeUndefined()
    expect(events).toEqual([])
  })
})
