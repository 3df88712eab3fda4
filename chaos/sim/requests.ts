/**
 * What operators ask of any gateway, all through a run: a new VPN configuration in the place of the one they know, and linearizable reads of
 * its version and of who owns a session. Each answer must be what the one order of the log says at its index, and that order must respect
 * time: who asks after an answer is answered at the same place or later.
 */

import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import type { Result } from '../../src/session/results.ts'
import type { State } from '../../src/session/state.ts'
import { ownership } from '../../src/session/view.ts'
import { Violation } from './checkers/violation.ts'
import type { Cluster } from './cluster.ts'
import type { GatewayNode } from './gateway-node.ts'
import type { Judges } from './judges.ts'
import type { Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'
import type { Call } from './version-history.ts'
import { VersionHistory } from './version-history.ts'

const EVERY_MS = 50
/** Of the first ones; clients' sessions are among them. */
const WATCHED_SESSIONS = 8

export interface RequestsOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly judges: Judges
  readonly trace: Trace
  /** Never the same octets. */
  readonly configuration: () => Bytes
}

/** What a reader may see at a place in the log. */
interface Seen {
  readonly index: number
  readonly text: string
}

interface Open {
  readonly node: GatewayNode
  /** Of the node, when it was asked. */
  readonly restores: number
  readonly startedMs: number
  /** No answer may be of an earlier place. */
  readonly from: number
}

export class Requests {
  readonly #o: RequestsOptions
  /** Of each thing that is read: what it was after which command, by rising index. */
  readonly #history = new Map<string, Seen[]>()
  readonly #results = new Map<number, string>()
  /** Configurations that took effect. */
  readonly #taken = new Set<string>()
  readonly #open = new Set<Open>()
  readonly #versions = new VersionHistory()
  /** The highest place that an answer was given at. */
  #answeredAt = 0
  reads = 0
  writes = 0

  constructor(options: RequestsOptions) {
    this.#o = options
    this.#note('version', 0, '0')
  }

  start(): void {
    const { scheduler, random, cluster } = this.#o
    scheduler.every(EVERY_MS, () => {
      const nodes = [...cluster.nodes.values()]
      const node = nodes[randomBelow(random, Math.max(1, nodes.length))]
      if (node === undefined) return true
      if (random.fraction() < 0.1) this.put(node)
      else this.#read(node, random.fraction() < 0.4 ? 'version' : `session ${1 + randomBelow(random, WATCHED_SESSIONS)}`)
      return true
    })
  }

  /** A command is committed, as the judges' copy has it. */
  committed(index: number, octets: Bytes, state: State, result: Result): void {
    this.#results.set(index, JSON.stringify(result))
    if (result.type === 'done') this.#noteTaken(decodeCommand(octets))
    this.#note('version', index, valueOf(state, 'version'))
    for (let session = 1; session <= WATCHED_SESSIONS; session++)
      this.#note(`session ${session}`, index, valueOf(state, `session ${session}`))
  }

  /** The first configuration, which somebody asks for before all others. */
  configures(gateway: string): Call {
    return this.#versions.replaces(gateway, 0)
  }

  configured(call: Call): void {
    this.#versions.returned(call, true)
  }

  /** At the end. Throws `Violation`. */
  check(): void {
    this.#versions.check()
  }

  /** Of those that were asked before and have no answer, the gateways, if their process lives and has not begun anew with a snapshot. */
  pendingSince(beforeMs: number): readonly string[] {
    const waiting = [...this.#open].filter(({ node, restores }) => node.isAlive && node.restores === restores)
    return waiting.filter(({ startedMs }) => startedMs < beforeMs).map(({ node }) => node.id)
  }

  #noteTaken(command: Command): void {
    if (command.type === 'put-vpn') this.#taken.add(toHex(command.configuration))
  }

  #note(what: string, index: number, text: string): void {
    const history = this.#history.get(what) ?? []
    if (history.at(-1)?.text !== text) history.push({ index, text })
    this.#history.set(what, history)
  }

  /** Somebody asks for a new configuration. */
  put(node: GatewayNode): void {
    const open = this.#begin(node)
    node.ask(({ control }) => {
      const expectedVersion = control.state.vpn.version
      const configuration = this.#o.configuration()
      const call = this.#versions.replaces(node.id, expectedVersion)
      control.request({ type: 'put-vpn', expectedVersion, configuration }, (result) => {
        const index = control.appliedIndex
        this.writes += 1
        this.#versions.returned(call, result.type === 'done')
        this.#answered(open, index, `put ${expectedVersion}`)
        if (this.#results.get(index) !== JSON.stringify(result))
          throw new Violation('one order', `${node.id} says ${JSON.stringify(result)} of command ${index}: ${this.#results.get(index)}`)
        if (result.type === 'refused' && this.#taken.has(toHex(configuration)))
          throw new Violation('one order', `${node.id} says that a configuration was refused, and it took effect`)
      })
    })
  }

  #read(node: GatewayNode, what: string): void {
    const open = this.#begin(node)
    const call = what === 'version' ? this.#versions.reads(node.id) : null
    node.ask(({ member, control }) => {
      member.read((raftIndex) => {
        if (raftIndex === null) {
          this.#open.delete(open)
          return
        }
        this.reads += 1
        if (call !== null) this.#versions.returned(call, control.state.vpn.version)
        const index = control.appliedIndex
        const value = valueOf(control.state, what)
        this.#answered(open, index, `${what} is ${value}`)
        const expected = this.#history.get(what)?.findLast((seen) => seen.index <= index)?.text ?? 'none'
        if (value !== expected) throw new Violation('one order', `${node.id} reads ${what} at ${index} as ${value}, and it is ${expected}`)
      })
    })
  }

  #begin(node: GatewayNode): Open {
    const open = { node, restores: node.restores, startedMs: this.#o.scheduler.nowMs, from: this.#answeredAt }
    this.#open.add(open)
    return open
  }

  #answered(open: Open, index: number, what: string): void {
    const { trace, scheduler } = this.#o
    trace.line(scheduler.nowMs, `${open.node.id} answers at ${index}: ${what}`)
    this.#open.delete(open)
    if (index < open.from)
      throw new Violation('one order', `${open.node.id} answers at ${index}, and was asked after an answer at ${open.from}`)
    this.#answeredAt = Math.max(this.#answeredAt, index)
  }
}

function valueOf(state: State, what: string): string {
  if (what === 'version') return String(state.vpn.version)
  const owner = ownership(state, Number(what.slice('session '.length)))
  return owner === null ? 'none' : `${owner.gateway} up=${owner.ownerUp} epoch ${owner.epoch}`
}
