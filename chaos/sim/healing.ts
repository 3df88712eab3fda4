/** The second phase: a majority is in order again, for good, and the rest stays as it is: dead, stopped, cut off, or with a disk that hangs. */

import { isVoter, members } from '../../raft/quorum.ts'
import { randomBelow } from '../../src/kit/random.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { Cluster } from './cluster.ts'
import type { Links } from './links.ts'
import type { Memberships } from './memberships.ts'
import { calmConnections, calmNetwork } from './plan.ts'
import { isQuorumOfAll } from './raft/membership.ts'
import type { Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'

export interface HealingOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly memberships: Memberships
  readonly links: Links
  readonly trace: Trace
}

/** Heals all members, or just a majority, and breaks who else is whole. Returns who is healed. */
export function heal(options: HealingOptions, isAll: boolean): ReadonlySet<string> {
  const { cluster, links, memberships, scheduler, trace } = options
  memberships.settle()
  const healed = isAll ? memberIds(options) : drawMajority(options)
  links.faults = { raft: calmConnections, mesh: calmNetwork }
  for (const id of healed) {
    const { drive } = cluster.host(id)
    drive.heal()
    const node = cluster.nodes.get(id)
    if (node !== undefined) node.member.messagesLeft = Infinity
    node?.wakefulness.resume()
    for (const other of healed) for (const channel of ['raft', 'mesh'] as const) links.join(channel, id, other)
  }
  for (const id of cluster.hosts.keys()) if (!healed.has(id)) leaveBroken(options, id)
  for (const id of healed) cluster.start(id)
  for (const id of healed) for (const other of healed) if (id < other) cluster.connected(id, other)
  trace.line(scheduler.nowMs, `healed ${[...healed].join(' ')}`)
  return healed
}

/**
 * Of those whose disks are in order: one whose disk forgot something needs all others to find out what. Just enough for every configuration that is
 * in force or may be, and now and then those besides that do not vote. When there are too few, all are healed.
 */
function drawMajority({ cluster, memberships, random }: HealingOptions): ReadonlySet<string> {
  const { possible } = memberships
  const isWhole = (id: string): boolean => {
    const { lost, disk } = cluster.host(id).machine
    return lost === null && !disk.lives.isRejoining && disk.checkpoint.index >= disk.base.index
  }
  const all = memberIds({ cluster, memberships })
  const whole = new Set([...all].filter(isWhole))
  if (!isQuorumOfAll(possible, (id) => whole.has(id))) return all
  const isSpared = randomBelow(random, 2) === 0
  const left = [...whole]
  while (left.length > 0) {
    const [id] = left.splice(randomBelow(random, left.length), 1)
    const mayVote = possible.some((configuration) => isVoter(configuration, id!))
    const isNeeded = mayVote ? !isQuorumOfAll(possible, (other) => other !== id && whole.has(other)) : isSpared
    if (!isNeeded) whole.delete(id!)
  }
  return whole
}

/** In whichever configuration. Who waits to be added, or was removed, is nobody that the cluster may lean on. */
function memberIds({ cluster, memberships }: Pick<HealingOptions, 'cluster' | 'memberships'>): Set<string> {
  const ids = memberships.possible.flatMap(members)
  return new Set([...cluster.hosts.keys()].filter((id) => ids.includes(id)))
}

function leaveBroken({ cluster, links, random, scheduler, trace }: HealingOptions, id: string): void {
  const node = cluster.nodes.get(id)
  const way = randomBelow(random, 6)
  trace.line(scheduler.nowMs, `broken ${id} ${node === undefined ? 'down' : way}`)
  if (node === undefined || way === 0) return cluster.bury(id)
  if (way === 1) node.wakefulness.pause(Infinity)
  if (way === 2) cluster.host(id).drive.hang(Infinity)
  for (const other of cluster.hosts.keys()) {
    if (other === id) continue
    for (const channel of ['raft', 'mesh'] as const) {
      if (way === 3 || way === 4) links.cut(channel, other, id)
      if (way === 3 || way === 5) links.cut(channel, id, other)
    }
  }
}
