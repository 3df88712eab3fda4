import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply } from '../../src/session/apply.ts'
import { FALL_WINDOW_MS, FIRST_BACKOFF_MS, backoffMs, noteFall } from '../../src/session/falls.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { addressHolders, ownership } from '../../src/session/view.ts'
import { establish, wallMs } from '../support/contexts.ts'

const clusterAddress = Uint8Array.of(10, 99, 0, 100)
const ids = ['sg1', 'sg2', 'sg3'] as const

/** A cluster whose time the test tells; `null`: its commands say none. */
class Lives {
  readonly state: State = createState()
  nowMs = wallMs
  isStamped = true
  #nonce = 0n
  #spi = 0

  constructor() {
    for (const id of ids) this.up(id)
  }

  up(gateway: string): void {
    const nonce = (this.#nonce += 1n)
    apply(this.state, { type: 'gateway-up', gateway, nonce, capacity: 1, addresses: [clusterAddress], ...this.#stamp() })
  }

  down(gateway: string): void {
    apply(this.state, { type: 'gateway-down', incarnation: this.#incarnation(gateway), ...this.#stamp() })
  }

  fall(gateway: string): void {
    this.down(gateway)
    this.nowMs += 1000
    this.up(gateway)
  }

  drain(gateway: string): void {
    apply(this.state, { type: 'set-draining', gateway, draining: true })
  }

  /** Sessions of the gateway's, and who has them when it has ended. */
  heirs(gateway: string): readonly string[] {
    const sessions = Array.from({ length: 40 }, () => {
      this.#spi += 1
      return establish(
        this.state,
        this.#incarnation(gateway),
        BigInt(this.#spi),
        65_536 + this.#spi,
        Uint8Array.of(10, 77, this.#spi >> 8, this.#spi & 255),
      )
    })
    this.down(gateway)
    return [...new Set(sessions.map((session) => ownership(this.state, session)!.gateway))].sort()
  }

  backoffMs(gateway: string): number {
    return Math.max(0, this.state.incarnations.gateway(gateway)!.steadyAtMs - this.nowMs)
  }

  #incarnation(gateway: string): number {
    return this.state.incarnations.current(gateway)!.number
  }

  #stamp(): { readonly nowMs?: number } {
    return this.isStamped ? { nowMs: this.nowMs } : {}
  }
}

test('the first end costs a gateway nothing, each further one within ten minutes twice as much, up to ten minutes', () => {
  let falls: readonly number[] = []
  const backoffs: number[] = []
  for (let i = 0; i < 12; i++) {
    falls = noteFall(falls, wallMs + 1000 * i)
    backoffs.push(backoffMs(falls, wallMs + 1000 * i) / FIRST_BACKOFF_MS)
  }
  assert.deepEqual(backoffs, [0, 1, 2, 4, 8, 16, 32, 40, 40, 40, 40, 40])
  assert.ok(falls.length <= 8)
  assert.equal(backoffMs(falls, wallMs + FALL_WINDOW_MS + 11_000), 0)
})

test('what a dead gateway leaves goes to those that have not come and gone lately, until the backoff is over', () => {
  const lives = new Lives()
  lives.fall('sg2')
  assert.equal(lives.backoffMs('sg2'), 0)
  assert.deepEqual(lives.heirs('sg1'), ['sg2', 'sg3'])
  lives.up('sg1')
  lives.fall('sg2')
  assert.equal(lives.backoffMs('sg2'), FIRST_BACKOFF_MS)
  assert.deepEqual(lives.heirs('sg3'), ['sg1'])
  lives.up('sg3')
  lives.nowMs += FIRST_BACKOFF_MS
  assert.deepEqual(lives.heirs('sg1'), ['sg2', 'sg3'])
})

test('where all come and go, sessions go to all of them', () => {
  const lives = new Lives()
  for (const id of ['sg1', 'sg1', 'sg2', 'sg2', 'sg3', 'sg3']) lives.fall(id)
  assert.ok(ids.every((id) => lives.backoffMs(id) > 0))
  assert.deepEqual(lives.heirs('sg1'), ['sg2', 'sg3'])
})

test('a process that starts again before anybody noticed has fallen, too; one that was drained has not', () => {
  const lives = new Lives()
  lives.up('sg1')
  lives.up('sg1')
  assert.equal(lives.backoffMs('sg1'), FIRST_BACKOFF_MS)
  for (let i = 0; i < 3; i++) {
    lives.drain('sg2')
    lives.fall('sg2')
  }
  assert.equal(lives.backoffMs('sg2'), 0)
})

test('the cluster address goes to one that is steady', () => {
  const lives = new Lives()
  const holder = (): string => addressHolders(lives.state)[0]!.gateway!
  const [first] = ids.filter((id) => id !== holder())
  for (let i = 0; i < 4; i++) lives.fall(first!)
  const second = ids.find((id) => id !== first && id !== holder())!
  const former = holder()
  lives.down(former)
  assert.equal(holder(), second)
})

test('commands of an older version say no time: nothing is noted', () => {
  const lives = new Lives()
  lives.isStamped = false
  for (let i = 0; i < 4; i++) lives.fall('sg2')
  assert.deepEqual(lives.state.incarnations.gateway('sg2')!.falls, [])
  assert.deepEqual(lives.heirs('sg1'), ['sg2', 'sg3'])
})
