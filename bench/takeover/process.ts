/**
 * One number of sessions of the bench of takeovers (takeover.ts), in a process of its own: `SESSIONS ROUNDS`. Reports a row for each way.
 *
 * `sg1` owns all sessions, and dies; `sg2`, whose two cores run here, takes all over. Then it hands them to the next life of `sg1`, for the next round.
 */

import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { encapsulate } from '../../src/esp/packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { EspCipher } from '../../src/kit/esp-crypto.ts'
import type { Transfer } from '../../src/session/commands.ts'
import { derive } from '../../src/session/derive.ts'
import { childRows } from '../../src/session/state.ts'
import { mostPackets } from '../../src/session/view.ts'
import { Crowd, spiInOf, virtualIpOf } from '../crowd/crowd.ts'
import { GatewayCores, clusterAddress } from '../crowd/gateway-cores.ts'

const hostAddress = Uint8Array.of(10, 50, 0, 1)
const local = { address: clusterAddress, port: 4500 }
const TRANSFERS = 1024
const TICK_MS = 10
const MAX_TICKS = 20_000
/** However many sessions there are, the code has run as often: a gateway has run for long. */
const WARM_UP = { sessions: 100, rounds: 40 }

type Way = 'lazy' | 'eager'

/** Of one number of sessions. */
export interface TakeoverResult {
  readonly lazy: readonly Round[]
  /** Each session is written when GatewayDown is applied. */
  readonly eager: readonly Round[]
  readonly background: Background
}

export interface Round {
  readonly applyMs: number
  readonly firstInMs: number
  readonly firstOutMs: number
  readonly sweptMs: number
  readonly sweptCpuMs: number
  readonly entries: number
}

export interface Background {
  readonly seconds: number
  readonly cpuMs: number
  readonly longestMs: number
  readonly entries: number
}

class Takeover {
  readonly #crowd: Crowd
  readonly #cipher: EspCipher
  readonly #gateway: GatewayCores
  readonly #random = new SeededRandom(2)
  /** Of which packets are carried, two a round. */
  readonly #looked: number[]
  #delivered = 0
  #sent = 0
  #lives = 1n

  constructor(sessions: number, rounds: number) {
    this.#looked = Array.from({ length: 2 * rounds }, () => 1 + (this.#random.uint32() % sessions))
    const looked = new Set(this.#looked)
    this.#crowd = new Crowd({ isOpened: (n) => looked.has(n) })
    this.#cipher = createEspCrypto(this.#random).cipher(this.#crowd.suite, this.#crowd.keys.keyIn)!
    this.#gateway = new GatewayCores({
      self: 'sg2',
      sealer: this.#crowd.sealer,
      sendOuter: () => void (this.#sent += 1),
      deliverInner: () => void (this.#delivered += 1),
    })
    this.#gateway.commitOwn()
    this.#gateway.apply({ type: 'set-cluster-version', version: 2 })
    this.#gateway.packets.control({ type: 'lease', untilMs: Infinity }, this.#gateway.nowMs)
    this.#rise()
    for (let n = 1; n <= sessions; n++) for (const command of this.#crowd.commandsOf(n, 2)) this.#gateway.apply(command)
  }

  get #state(): GatewayCores['control']['state'] {
    return this.#gateway.control.state
  }

  #rise(): void {
    this.#gateway.apply({ type: 'gateway-up', gateway: 'sg1', nonce: this.#lives++, capacity: 1, addresses: [clusterAddress] })
  }

  /** What the packet core has open from the round before is let go. */
  giveBack(): void {
    this.#rise()
    const { state, incarnation } = this.#gateway.control
    const to = state.incarnations.current('sg1')!.number
    for (let row = 0; row < state.sessions.end; row += TRANSFERS) {
      const sessions: Transfer['sessions'][number][] = []
      for (let at = row; at < Math.min(state.sessions.end, row + TRANSFERS); at++) {
        const { id, epoch, version } = state.sessions
        derive(state, at)
        const most = mostPackets(state, at)
        const children = [...childRows(state, at)].map((child) => {
          return { spiIn: state.children.spiIn[child]!, next: most + 1, window: { highest: most, seen: null } }
        })
        sessions.push({ session: id[at]!, epoch: epoch[at]!, version: version[at]!, children })
      }
      this.#gateway.apply({ type: 'transfer', incarnation, to, sessions })
    }
    this.#gateway.pass(1000, 10)
  }

  round(way: Way): Round {
    const [one, other] = [this.#looked.pop()!, this.#looked.pop()!]
    const [inbound, outbound] = [this.#inbound(one), this.#outbound(other)]
    const incarnation = this.#state.incarnations.current('sg1')!.number
    const entries = this.#gateway.entries
    const began = performance.now()
    this.#gateway.apply({ type: 'gateway-down', incarnation })
    if (way === 'eager') this.#sweep()
    const applyMs = performance.now() - began
    this.#gateway.packets.outer(inbound, local, { address: Uint8Array.of(192, 0, 2, 1), port: 4500 }, this.#gateway.nowMs)
    const taken = this.#gateway.entries - entries
    // The horizon that the first packet asks for is an entry of its own, as it would be of any owner.
    this.#gateway.commitOwn()
    const firstInMs = performance.now() - began
    const outBegan = performance.now()
    this.#gateway.packets.inner(outbound, this.#gateway.nowMs)
    const firstOutMs = applyMs + performance.now() - outBegan
    if (this.#delivered !== 1) throw new Error(`session ${one}: expected one packet to be delivered, got ${this.#delivered}`)
    if (this.#sent !== 1) throw new Error(`session ${other}: expected one packet to be sent, got ${this.#sent}`)
    this.#delivered = this.#sent = 0
    const cpu = process.cpuUsage()
    const sweepBegan = performance.now()
    this.#sweep()
    const sweptMs = performance.now() - sweepBegan + applyMs
    return { applyMs, firstInMs, firstOutMs, sweptMs, sweptCpuMs: cpuMs(process.cpuUsage(cpu)) + applyMs, entries: taken }
  }

  /** What happens if nobody but the gateway's own ticks looks at sessions, until each is up to date. */
  background(): Background {
    const { state, incarnation } = this.#gateway.control
    const ended = state.incarnations.current('sg1')!.number
    const entries = this.#gateway.entries
    this.#gateway.apply({ type: 'gateway-down', incarnation: ended })
    const cpu = process.cpuUsage()
    let [ticks, longestMs, row] = [0, 0, 0]
    for (; ticks < MAX_TICKS; ticks++) {
      while (row < state.sessions.end && state.sessions.owner[row] !== ended) row += 1
      if (row === state.sessions.end) break
      const began = performance.now()
      this.#gateway.tick(this.#gateway.nowMs + TICK_MS)
      longestMs = Math.max(longestMs, performance.now() - began)
    }
    if (row < state.sessions.end) throw new Error(`session row ${row} is not up to date after ${ticks} ticks of incarnation ${incarnation}`)
    return {
      seconds: (ticks * TICK_MS) / 1000,
      cpuMs: cpuMs(process.cpuUsage(cpu)),
      longestMs,
      entries: this.#gateway.entries - entries,
    }
  }

  /** Every session is brought up to date. */
  #sweep(): void {
    for (let row = 0; row < this.#state.sessions.end; row++) derive(this.#state, row)
  }

  /** Of the session's client, which has not used the number yet. */
  #inbound(n: number): Bytes {
    const sequence = 1 + mostPackets(this.#state, this.#state.sessions.find(n))
    return encapsulate(this.#cipher, spiInOf(n), sequence, innerPacket(virtualIpOf(n), hostAddress))
  }

  #outbound(n: number): Bytes {
    return innerPacket(hostAddress, virtualIpOf(n))
  }
}

function innerPacket(source: Bytes, destination: Bytes): Bytes {
  return buildUdpPacket({ source, destination, sourcePort: 7000, destinationPort: 7777, payload: new Uint8Array(160) })
}

function cpuMs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000
}

/** By turns; the first of each is forgotten: its memory is touched for the first time. */
function rounds(takeover: Takeover, count: number): Readonly<Record<Way, Round[]>> {
  const done: Record<Way, Round[]> = { lazy: [], eager: [] }
  for (let i = 0; i <= count; i++)
    for (const way of ['lazy', 'eager'] as const) {
      const round = takeover.round(way)
      if (i > 0) done[way].push(round)
      takeover.giveBack()
    }
  return done
}

function takeoverOf(sessions: number, count: number): Takeover {
  return new Takeover(sessions, 2 * (count + 1))
}

function main([sessions, count]: readonly number[]): void {
  rounds(takeoverOf(WARM_UP.sessions, WARM_UP.rounds), WARM_UP.rounds)
  const takeover = takeoverOf(sessions!, count!)
  const { lazy, eager } = rounds(takeover, count!)
  const result: TakeoverResult = { lazy, eager, background: takeover.background() }
  process.send?.(result)
  process.disconnect?.()
}

main(process.argv.slice(2).map(Number))
