/**
 * Gateways that come and go for good, as operators ask for it: one with an id that nobody had is started, added, and made a voter once it has caught
 * up; a member is drained, or not, and removed, whether its process runs or not. Asked for again and again until it is so: in the meantime
 * anything may happen.
 */

import type { MembershipChange } from '../../raft/membership.ts'
import { isVoter, members } from '../../raft/quorum.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import type { Cluster } from './cluster.ts'
import type { Memberships } from './memberships.ts'
import type { GatewayChange } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'

const ASK_EVERY_MS = 120
/** An operator gives up after so many refusals. */
const MAX_ASKED = 30
const MAX_GATEWAYS = 7
const MIN_GATEWAYS = 2
/** A drain is waited for so long at most: sessions that are still there are taken over. */
const DRAIN_MS = 400

export interface GatewayChangesOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly memberships: Memberships
  readonly trace: Trace
  readonly drain: (gateway: string) => void
  /** Called as each change is asked for. */
  readonly onChange: () => void
}

export class GatewayChanges {
  readonly #o: GatewayChangesOptions
  /** On their way out, or asked for: one goes at a time, as an operator has it. */
  #leaving: string | null = null
  #isOver = false
  /** How many members were seen to be added, and removed. */
  joined = 0
  left = 0

  constructor(options: GatewayChangesOptions) {
    this.#o = options
  }

  end(): void {
    this.#isOver = true
  }

  make({ type, which, isDrained }: GatewayChange): void {
    if (this.#isOver) return
    this.#o.onChange()
    if (type === 'join') this.#join()
    else this.#leave(which, isDrained)
  }

  #join(): void {
    const { cluster, memberships, scheduler, trace } = this.#o
    if (members(memberships.present).length >= MAX_GATEWAYS) return
    const id = cluster.join()
    trace.line(scheduler.nowMs, `join ${id}`)
    const isMember = (): boolean => members(memberships.present).includes(id)
    this.#insist(isMember, [{ type: 'add', server: id, address: `${id}:7400` }], () => {
      this.joined += 1
      this.#insist(
        () => isVoter(memberships.present, id) || !isMember(),
        [{ type: 'promote', server: id }],
        () => undefined,
      )
    })
  }

  #leave(which: number, isDrained: boolean): void {
    const { memberships, scheduler, random, trace } = this.#o
    const present = members(memberships.present)
    if (present.length <= MIN_GATEWAYS || this.#leaving !== null) return
    const id = present[which % present.length]!
    this.#leaving = id
    trace.line(scheduler.nowMs, `leave ${id}`)
    if (isDrained) this.#o.drain(id)
    scheduler.after(isDrained ? random.fraction() * DRAIN_MS : 0, () => {
      const isGone = (): boolean => !members(memberships.present).includes(id)
      this.#insist(isGone, [{ type: 'remove', server: id }], (isSo) => {
        this.#leaving = null
        if (isSo) this.left += 1
      })
    })
  }

  #insist(isSo: () => boolean, changes: readonly MembershipChange[], done: (isSo: boolean) => void): void {
    let asked = 0
    const ask = (): boolean => {
      if (this.#isOver) return false
      if (isSo() || asked === MAX_ASKED) {
        done(isSo())
        return false
      }
      asked += 1
      this.#ask(changes)
      return true
    }
    if (ask()) this.#o.scheduler.every(ASK_EVERY_MS, ask)
  }

  /** Mostly at the leader, now and then elsewhere. */
  #ask(changes: readonly MembershipChange[]): void {
    const { cluster, memberships, random } = this.#o
    if (!memberships.mayChange) return
    const nodes = [...cluster.nodes.values()]
    const leader = nodes.findLast(({ member }) => member.raft.phase.type === 'leader')
    const node = leader !== undefined && randomBelow(random, 4) > 0 ? leader : nodes[randomBelow(random, Math.max(1, nodes.length))]
    const isLost = memberships.request()
    node?.ask(({ member }) => {
      if (!isLost()) member.changeMembership(changes)
    })
  }
}
