/** The gateways of a world: what is on each one's disk, which process runs there, and who hears of its start and its end. */

import { newestClusterVersion, oldestClusterVersion } from '../../src/context/cluster-version.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { Drive } from './drive.ts'
import { GatewayNode } from './gateway-node.ts'
import type { Host } from './host.ts'
import type { Links } from './links.ts'
import { LocalClock } from './local-clock.ts'
import type { NodeWorld } from './node-world.ts'
import type { Plan } from './plan.ts'
import { Machine } from './raft/machine.ts'
import type { Trace } from './trace.ts'

const REFUSED_AFTER_MS = 2
/** A gateway that was removed ends within so long. */
const LINGER_MS = 500
/** Chance that a gateway notices that another's connection closed and is refused. */
const NOTICED = 0.8

export class Cluster {
  readonly hosts = new Map<string, Host>()
  readonly nodes = new Map<string, GatewayNode>()
  readonly #random: SeededRandom
  readonly #links: Links
  readonly #trace: Trace
  readonly #world: NodeWorld
  readonly #plan: Plan
  /** Dead for good, whatever restart was planned. */
  readonly #buried = new Set<string>()
  /** Where a process has run before. */
  readonly #started = new Set<string>()
  crashes = 0
  /** By processes that have ended. */
  #balancedBefore = 0

  constructor(plan: Plan, random: SeededRandom, links: Links, trace: Trace, world: NodeWorld) {
    this.#random = random
    this.#links = links
    this.#trace = trace
    this.#world = world
    this.#plan = plan
    for (const id of world.ids) this.#addHost(id)
  }

  /** A gateway that nobody knows yet: its process waits to be added. Returns its id, which nobody has had. */
  join(): string {
    const id = `sg${this.hosts.size + 1}`
    this.#addHost(id)
    this.start(id)
    return id
  }

  /** It was removed, and its process ends, now or when it has passed on what still comes; a restart that was planned ends so, too. */
  leave(id: string): void {
    const node = this.nodes.get(id)
    this.#world.scheduler.after(this.#random.fraction() * LINGER_MS, () => {
      if (this.nodes.get(id) === node) this.crash(id, Infinity)
    })
  }

  /** Sessions that changed hands to even the load out. */
  get balanced(): number {
    return [...this.nodes.values()].reduce((sum, { control }) => sum + control.balance.moves, this.#balancedBefore)
  }

  #addHost(id: string): void {
    const { scheduler } = this.#world
    const drive = new Drive(scheduler, this.#random.fork(), this.#plan.diskMs)
    const clock = new LocalClock(scheduler, this.#plan.clockRates[this.hosts.size] ?? 1)
    // Of the first hosts, some begin with the older build; who comes later may find that it is known no more.
    const newestVersion = this.hosts.size < this.#plan.olderBuilds ? oldestClusterVersion : newestClusterVersion
    this.hosts.set(id, { id, machine: new Machine(id), drive, clock, newestVersion })
  }

  get machines(): readonly Machine[] {
    return [...this.hosts.values()].map(({ machine }) => machine)
  }

  host(id: string): Host {
    return this.hosts.get(id)!
  }

  /** A process starts, unless one runs. */
  start(id: string): void {
    if (this.nodes.has(id) || this.#buried.has(id)) return
    const world = this.#world
    const host = this.host(id)
    // Upgraded, at times, on the occasion.
    if (host.newestVersion < newestClusterVersion && this.#started.has(id) && this.#random.fraction() < 0.5)
      host.newestVersion = newestClusterVersion
    this.#started.add(id)
    this.#trace.line(world.scheduler.nowMs, `start ${id} of build ${host.newestVersion}`)
    const node = new GatewayNode(host, world)
    this.nodes.set(id, node)
    for (const other of this.nodes.keys()) {
      if (other === id) continue
      if (this.#isConnected(id, other)) this.#connect(id, other)
      if (this.#isConnected(other, id)) this.#connect(other, id)
    }
  }

  /** The process ends, if one runs; what was being written is on disk or is not. It is started again after `forMs`. */
  crash(id: string, forMs: number): void {
    const node = this.nodes.get(id)
    if (node === undefined) return
    const world = this.#world
    const [isLogWritten, isCheckpointWritten] = [this.#random.fraction() < 0.5, this.#random.fraction() < 0.5]
    this.#trace.line(world.scheduler.nowMs, `crash ${id} ${isLogWritten} ${isCheckpointWritten}`)
    this.crashes += 1
    this.#balancedBefore += node.control.balance.moves
    node.crash(isLogWritten, isCheckpointWritten)
    this.nodes.delete(id)
    for (const [other, peer] of this.nodes) {
      if (this.#isConnected(other, id) && this.#random.fraction() < NOTICED)
        world.scheduler.after(REFUSED_AFTER_MS, () => {
          if (!this.nodes.has(id)) peer.peer(id, 'refused')
        })
    }
    if (forMs < Infinity) world.scheduler.after(forMs, () => this.start(id))
  }

  /** No process runs there from now on. */
  bury(id: string): void {
    this.#buried.add(id)
    this.crash(id, Infinity)
  }

  /** A connection that was cut stands again. */
  connected(a: string, b: string): void {
    this.#connect(a, b)
    this.#connect(b, a)
  }

  /** `from` has a connection to `to`, and says on it what its build knows. */
  #connect(from: string, to: string): void {
    const node = this.nodes.get(from)
    if (node === undefined) return
    node.peer(to, 'connected')
    this.nodes.get(to)?.announced(from, node.host.newestVersion)
  }

  #isConnected(from: string, to: string): boolean {
    return !this.#links.isCut('raft', from, to) && !this.#links.isCut('raft', to, from)
  }
}
