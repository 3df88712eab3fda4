import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MAX_EXTENDED_SEQUENCE_NUMBER, MAX_SEQUENCE_NUMBER } from '../../src/context/grants.ts'
import { REPLAY_WINDOW_PACKETS, ReplayWindow } from '../../src/esp/replay-window.ts'
import { AssertionError } from '../../src/kit/assert.ts'

/** Slow and obvious: everything that was ever accepted. */
class TwinWindow {
  readonly #accepted = new Set<number>()
  readonly #floor: number
  highest: number

  constructor(floor: number, highest: number) {
    this.#floor = floor
    this.highest = highest
  }

  mayAccept(sequence: number): boolean {
    return sequence > this.#floor && sequence > this.highest - REPLAY_WINDOW_PACKETS && !this.#accepted.has(sequence)
  }

  accept(sequence: number): void {
    this.#accepted.add(sequence)
    this.highest = Math.max(this.highest, sequence)
  }
}

type Step = { readonly type: 'packet'; readonly jump: number } | { readonly type: 'hand-over' }

const steps = fc.array(
  fc.oneof(
    { weight: 30, arbitrary: fc.record({ type: fc.constant('packet' as const), jump: fc.integer({ min: -40, max: 40 }) }) },
    { weight: 10, arbitrary: fc.record({ type: fc.constant('packet' as const), jump: fc.integer({ min: -1200, max: 1200 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('packet' as const), jump: fc.integer({ min: 0, max: 2 ** 31 }) }) },
    { weight: 2, arbitrary: fc.constant<Step>({ type: 'hand-over' }) },
  ),
  { maxLength: 300 },
)

const largest = { 'numbers of 32 bits': MAX_SEQUENCE_NUMBER, 'extended numbers': MAX_EXTENDED_SEQUENCE_NUMBER }

for (const [kind, maximum] of Object.entries(largest)) {
  test(`the window accepts what a set of all accepted numbers would, also after it was handed over: ${kind}`, () => {
    // Also across every border of 32 bits.
    const from = fc.constantFrom(0, ...(maximum > MAX_SEQUENCE_NUMBER ? [2 ** 31 - 3000, 2 ** 32 - 3000, 3 * 2 ** 32 - 3000, 2 ** 47] : []))
    const property = fc.property(from, fc.nat(5000), fc.nat(100), steps, (start, offset, above, walk) => {
      const floor = start + offset
      const twin = new TwinWindow(floor, floor + above)
      let window = new ReplayWindow(floor, { highest: floor + above, seen: null })
      for (const step of walk) {
        if (step.type === 'hand-over') {
          window = new ReplayWindow(floor, structuredClone(window.state()))
          continue
        }
        const sequence = Math.min(maximum, Math.max(0, twin.highest + step.jump))
        equal(window.mayAccept(sequence), twin.mayAccept(sequence), `${sequence}`)
        if (!twin.mayAccept(sequence)) continue
        window.accept(sequence)
        twin.accept(sequence)
        equal(window.highest, twin.highest)
      }
    })
    fc.assert(property, { numRuns: 200, seed: 11 })
  })
}

test('across 2^32 each number is acceptable until it was accepted, late ones too, however full the window is', () => {
  const from = 2 ** 32 - 3 * REPLAY_WINDOW_PACKETS
  const window = new ReplayWindow(from - 1, { highest: from - 1, seen: null })
  for (let pair = from; pair < 2 ** 32 + 3 * REPLAY_WINDOW_PACKETS; pair += 2) {
    for (const sequence of [pair + 1, pair]) {
      equal(window.mayAccept(sequence), true, `${sequence}`)
      window.accept(sequence)
      equal(window.mayAccept(sequence), false, `${sequence}`)
    }
  }
})

test('nothing at or below the floor is accepted, whatever the window says (protocol.md H6)', () => {
  const window = new ReplayWindow(100, { highest: 120, seen: new Uint8Array(16) })
  equal(window.mayAccept(100), false)
  equal(window.mayAccept(1), false)
  equal(window.mayAccept(101), true)
})

test('sequence number 0 is never accepted (RFC 4303 §3.4.3)', () => {
  equal(new ReplayWindow(0, { highest: 0, seen: null }).mayAccept(0), false)
})

test('the window takes numbers up to 1,023 below the highest, and the last of all', () => {
  const window = new ReplayWindow(0, { highest: 0, seen: null })
  window.accept(MAX_SEQUENCE_NUMBER)
  equal(window.mayAccept(MAX_SEQUENCE_NUMBER - REPLAY_WINDOW_PACKETS + 1), true)
  equal(window.mayAccept(MAX_SEQUENCE_NUMBER - REPLAY_WINDOW_PACKETS), false)
  equal(window.mayAccept(MAX_SEQUENCE_NUMBER), false)
})

test('the state that is handed over has a bit for each number down to the floor', () => {
  const window = new ReplayWindow(10, { highest: 10, seen: null })
  window.accept(11)
  window.accept(14)
  deepEqual(window.state(), { highest: 14, seen: Uint8Array.of(0b1001) })
  deepEqual(new ReplayWindow(14, { highest: 14, seen: null }).state(), { highest: 14, seen: null })
})

test('marking a number that may not be accepted is our own fault', () => {
  const window = new ReplayWindow(0, { highest: 0, seen: null })
  window.accept(1)
  throws(() => window.accept(1), AssertionError)
})
