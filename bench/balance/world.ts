/**
 * A cluster of gateways with many sessions, for the bench of the balancer: the real state machine and its real Transfers, drains and balancer, on
 * simulated time. What is not there: packets, IKE, Raft; a command is applied so long after it was proposed, by all gateways at once.
 */

import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { Balancer, defaultBalanceSettings } from '../../src/gateway/balance/balancer.ts'
import { weightOf } from '../../src/gateway/balance/weights.ts'
import { Proposals } from '../../src/gateway/proposals.ts'
import { Transfers } from '../../src/gateway/transfers.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import { BUCKETS, Incarnations, bucketOf } from '../../src/session/incarnations.ts'
import { createState } from '../../src/session/state.ts'
import { establishedOwner } from '../../src/session/view.ts'
import { establishedContext } from '../../test/support/contexts.ts'

export const TICK_MS = 10
const COMMIT_MS = 20
const address = Uint8Array.of(10, 0, 0, 1)
/** Packets a second of a session with traffic: Pareto, so that few sessions have much of it. */
const PARETO_LEAST = 5
const PARETO_SHAPE = 1.2
const PARETO_MOST = 100_000

interface Gateway {
  readonly id: string
  readonly capacity: number
  transfers: Transfers | null
  proposals: Proposals | null
}

interface Proposed {
  readonly atMs: number
  readonly gateway: Gateway
  readonly serial: number
  readonly octets: Bytes
  /** Whose process has ended meanwhile. */
  readonly by: Proposals
}

export interface WorldOptions {
  readonly random: SeededRandom
  readonly sessions: number
  /** How many of them have traffic. */
  readonly active: number
  readonly capacities: readonly number[]
}

export class BalanceWorld {
  readonly state = createState()
  readonly balancer: Balancer
  readonly gateways: readonly Gateway[]
  /** Rows of the sessions with traffic. */
  readonly #active: Uint32Array
  readonly #random: SeededRandom
  readonly #proposed: Proposed[] = []
  #nonce = 0n
  nowMs = 0
  /** Sessions that Transfers have moved. */
  moved = 0
  /** What the balancer took, by second: ms of processor time; and its longest tick. */
  readonly plannerMs: number[] = []
  longestTickMs = 0

  constructor({ random, sessions, active, capacities }: WorldOptions) {
    this.#random = random
    this.gateways = capacities.map((capacity, i) => ({ id: `sg${i + 1}`, capacity, transfers: null, proposals: null }))
    this.balancer = new Balancer({
      state: this.state,
      settings: defaultBalanceSettings,
      isLeader: () => true,
      isHeldBack: () => false,
      canServe: () => true,
      order: (session, owner, to) => this.gateway(owner).transfers?.start(session, to, this.nowMs),
    })
    this.#active = new Uint32Array(active)
    for (let i = 0; i < active; i++) this.#active[i] = Math.floor((i * sessions) / active)
  }

  gateway(id: string): Gateway {
    return this.gateways.find((gateway) => gateway.id === id)!
  }

  /** Gateways that are up and don't drain, with their incarnations' numbers. */
  willing(): readonly { readonly id: string; readonly number: number; readonly capacity: number }[] {
    const { incarnations } = this.state
    return incarnations
      .up()
      .filter(({ gateway }) => incarnations.gateway(gateway)?.draining === false)
      .map(({ gateway, number, capacity }) => ({ id: gateway, number, capacity }))
  }

  // ---- what happens

  up(id: string): void {
    const gateway = this.gateway(id)
    this.#nonce += 1n
    const result = this.#apply({ type: 'gateway-up', gateway: id, nonce: this.#nonce, capacity: gateway.capacity, addresses: [address] })
    if (result.type !== 'up') throw new Error(`${id} does not come up: ${JSON.stringify(result)}`)
    gateway.proposals = new Proposals((serial, octets) => {
      this.#proposed.push({ atMs: this.nowMs, gateway, serial, octets, by: gateway.proposals! })
    })
    gateway.transfers = new Transfers({
      self: id,
      state: this.state,
      proposals: gateway.proposals,
      tenures: () => notInstalled,
      toPackets: () => undefined,
      hasPendingExchange: () => false,
      account: this.balancer.account,
      wallMs: () => 0,
      handedOver: () => undefined,
    })
    gateway.transfers.begin(result.incarnation)
    this.balancer.risen(id, this.nowMs)
  }

  down(id: string): void {
    const gateway = this.gateway(id)
    gateway.transfers = null
    gateway.proposals = null
    this.#apply({ type: 'gateway-down', incarnation: this.state.incarnations.current(id)!.number })
    this.balancer.changed(id, this.nowMs)
  }

  drain(id: string): void {
    this.#apply({ type: 'set-draining', gateway: id, draining: true })
    this.balancer.changed(id, this.nowMs)
  }

  /** All sessions come up, at gateways that clients are steered to by a hash. */
  fill(sessions: number): void {
    const { state } = this
    const context = encodeSessionContext(establishedContext(7n, [], []))
    const owners = Array.from({ length: BUCKETS }, (_, bucket) => Incarnations.rendezvous(state.incarnations.up(), bucket)!.number)
    const shared = state.slab.put(context)
    for (let id = 1; id <= sessions; id++) {
      const row = state.sessions.add(id, new Uint8Array(0))
      state.sessions.setPhase(row, 'established')
      state.sessions.owner[row] = owners[bucketOf(id)]!
      state.sessions.context[row] = shared
    }
    state.nextSession = sessions + 1
    for (const row of this.#active) state.sessions.packetsPerSecond[row] = this.#pareto()
  }

  /** So much of the active sessions get other traffic. */
  churn(part: number): void {
    const count = Math.floor(part * this.#active.length)
    for (let i = 0; i < count; i++) {
      const row = this.#active[Math.floor(this.#random.fraction() * this.#active.length)]!
      this.state.sessions.packetsPerSecond[row] = this.#pareto()
    }
  }

  /** The traffic of so much of the sessions of these gateways gets so many times as much. */
  shift(ids: readonly string[], part: number, factor: number): void {
    const numbers = new Set(ids.map((id) => this.state.incarnations.current(id)?.number))
    const { sessions } = this.state
    for (const row of this.#active) {
      if (!numbers.has(establishedOwner(this.state, row)) || this.#random.fraction() > part) continue
      sessions.packetsPerSecond[row] = Math.min(PARETO_MOST, Math.round(sessions.packetsPerSecond[row]! * factor))
    }
  }

  // ---- what is there

  /** Of all sessions, by incarnation: true weights, looked up anew. */
  weights(): Map<number, number[]> {
    const weights = new Map<number, number[]>()
    const { sessions } = this.state
    for (let row = 0; row < sessions.end; row++) {
      const owner = establishedOwner(this.state, row)
      const list = weights.get(owner) ?? []
      if (list.length === 0) weights.set(owner, list)
      list.push(weightOf(sessions.packetsPerSecond[row]!))
    }
    return weights
  }

  /** Sums of them. */
  loads(): Map<number, number> {
    const loads = new Map<number, number>()
    const { sessions } = this.state
    for (let row = 0; row < sessions.end; row++) {
      const owner = establishedOwner(this.state, row)
      loads.set(owner, (loads.get(owner) ?? 0) + weightOf(sessions.packetsPerSecond[row]!))
    }
    return loads
  }

  // ---- time

  second(): void {
    let spentMs = 0
    for (let i = 0; i < 1000 / TICK_MS; i++) {
      this.nowMs += TICK_MS
      this.#commit()
      const now = { monotonicMs: this.nowMs, wallMs: this.nowMs }
      for (const { transfers, proposals } of this.gateways) {
        transfers?.tick(this.nowMs)
        proposals?.tick(now.monotonicMs)
      }
      const began = process.cpuUsage()
      this.balancer.tick(this.nowMs)
      const { user, system } = process.cpuUsage(began)
      const tickMs = (user + system) / 1000
      spentMs += tickMs
      this.longestTickMs = Math.max(this.longestTickMs, tickMs)
    }
    this.plannerMs.push(spentMs)
  }

  #commit(): void {
    while (this.#proposed.length > 0 && this.#proposed[0]!.atMs <= this.nowMs - COMMIT_MS) {
      const { gateway, serial, octets, by } = this.#proposed.shift()!
      const command = decodeCommand(octets)
      const result = this.#apply(command)
      if (command.type === 'transfer' && result.type === 'batch') {
        this.moved += result.taken.length
        this.balancer.transferred(result.taken, command.to, this.nowMs)
      }
      if (gateway.proposals === by) by.applied(serial, result, { monotonicMs: this.nowMs, wallMs: this.nowMs })
    }
  }

  #apply(command: Command): ReturnType<typeof apply> {
    return apply(this.state, command)
  }

  #pareto(): number {
    return Math.min(PARETO_MOST, Math.round(PARETO_LEAST * (1 - this.#random.fraction()) ** (-1 / PARETO_SHAPE)))
  }
}

/** No packets, so no session is open anywhere: its agreed counters are exact. */
const notInstalled = { isInstalled: () => false } as unknown as ReturnType<ConstructorParameters<typeof Transfers>[0]['tenures']>
