/**
 * The entry of the PINs of one job, in the worker: digits come one by one, six
 * complete an entry. Kept apart from the worker so that it can be tested.
 */
import type { CoreEvent, Entry } from './job'

export const LENGTH = 6

const SAME_AS_OLD = '新 PIN 码不能与原 PIN 码相同，请换一个。'

export class Entries {
  readonly #order: readonly Entry[]
  /** Says why a new PIN is refused; '' if it is not. */
  readonly #weak: (pin: Uint8Array) => Promise<string>
  readonly #emit: (e: CoreEvent) => void
  #done: Uint8Array[] = []
  #current = new Uint8Array(LENGTH)
  #count = 0
  /** Set while the complete entries are used: no digit is taken. */
  #closed = false
  /** Set while a new PIN is judged: digits wait, for who types on at once. */
  #judging = false
  #ahead = new Uint8Array(LENGTH)
  #waiting = 0

  constructor(order: readonly Entry[], weak: (pin: Uint8Array) => Promise<string>, emit: (e: CoreEvent) => void) {
    this.#order = order
    this.#weak = weak
    this.#emit = emit
  }

  get #entry(): Entry | undefined {
    return this.#order[this.#done.length]
  }

  /** Takes a digit; resolves with all entries once the last one is complete. */
  async press(digit: string): Promise<Uint8Array[] | undefined> {
    const entry = this.#entry
    if (this.#closed || !entry || !/^[0-9]$/.test(digit)) return undefined
    if (this.#judging) {
      if (this.#waiting < LENGTH) this.#ahead[this.#waiting++] = digit.charCodeAt(0)
      return undefined
    }
    this.#current[this.#count++] = digit.charCodeAt(0)
    this.#emit({ type: 'count', entry, count: this.#count })
    if (this.#count < LENGTH) return undefined
    const pin = this.#current
    this.#current = new Uint8Array(LENGTH)
    this.#count = 0
    this.#done.push(pin)
    if (entry === 'new') {
      const detail = await this.#judge(pin)
      if (detail) {
        this.#back('new')
        this.#emit({ type: 'weak', detail })
        return undefined
      }
    }
    const fresh = this.#of('new')
    if (entry === 'again' && fresh && !equal(fresh, pin)) {
      this.#back('new')
      this.#emit({ type: 'different' })
      return undefined
    }
    const next = this.#entry
    if (next) {
      this.#emit({ type: 'count', entry: next, count: 0 })
      return this.#catchUp()
    }
    this.#closed = true
    return this.#done
  }

  /** Takes the last digit of the current entry back. */
  erase() {
    if (this.#judging && this.#waiting > 0) this.#ahead[--this.#waiting] = 0
    const entry = this.#entry
    if (this.#closed || this.#judging || !entry || this.#count === 0) return
    this.#current[--this.#count] = 0
    this.#emit({ type: 'count', entry, count: this.#count })
  }

  /** Takes all digits of the current entry back. */
  clear() {
    this.#forgetAhead()
    const entry = this.#entry
    if (this.#closed || this.#judging || !entry || this.#count === 0) return
    this.#current.fill(0)
    this.#count = 0
    this.#emit({ type: 'count', entry, count: 0 })
  }

  /** Forgets everything and begins with the first entry. */
  restart() {
    for (const pin of this.#done) pin.fill(0)
    this.#done = []
    this.#current.fill(0)
    this.#count = 0
    this.#forgetAhead()
    this.#closed = false
  }

  /** Says why a new PIN is refused; what was typed meanwhile goes with it. */
  async #judge(pin: Uint8Array): Promise<string> {
    this.#judging = true
    let detail = SAME_AS_OLD
    try {
      const old = this.#of('old')
      if (!old || !equal(old, pin)) detail = await this.#weak(pin)
    } finally {
      this.#judging = false
    }
    if (detail) this.#forgetAhead()
    return detail
  }

  /** Takes the digits that came while the entry before was judged. */
  async #catchUp(): Promise<Uint8Array[] | undefined> {
    const ahead = this.#ahead.slice(0, this.#waiting)
    this.#forgetAhead()
    let complete: Uint8Array[] | undefined
    for (const code of ahead) complete = await this.press(String.fromCharCode(code))
    ahead.fill(0)
    return complete
  }

  #forgetAhead() {
    this.#ahead.fill(0)
    this.#waiting = 0
  }

  #of(entry: Entry): Uint8Array | undefined {
    return this.#done[this.#order.indexOf(entry)]
  }

  /** Begins again with an entry. */
  #back(entry: Entry) {
    for (const pin of this.#done.splice(this.#order.indexOf(entry))) pin.fill(0)
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
