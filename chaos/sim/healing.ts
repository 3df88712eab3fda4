/** The second phase: a majority is in order again, for good, and the rest stays as it is: dead, stopped, cut off, or with a disk that hangs. */

import { randomBelow } from '../../src/kit/random.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { Cluster } from './cluster.ts'
import type { Links } from './links.ts'
import { calmConnections, calmNetwork } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'

export interface HealingOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly links: Links
  readonly trace: Trace
}

/** Heals all, or just a majority, and breaks who else is whole. Returns who is healed. */
export function heal(options: HealingOptions, isAll: boolean): ReadonlySet<string> {
  const { cluster, links, scheduler, trace } = options
  const healed = isAll ? new Set(cluster.hosts.keys()) : drawMajority(options)
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
 * Of those whose disks are in order: one whose disk forgot something needs all others to find out what. When there are too few of them, all
 * are healed.
 */
function drawMajority({ cluster, random }: HealingOptions): ReadonlySet<string> {
  const ids = [...cluster.hosts.keys()]
  const quorum = Math.floor(ids.length / 2) + 1
  const isWhole = (id: string): boolean => {
    const { lost, disk } = cluster.host(id).machine
    return lost === null && !disk.lives.isRejoining && disk.checkpoint.index >= disk.base.index
  }
  const whole = ids.filter(isWhole)
  if (whole.length < quorum) return new Set(ids)
  while (whole.length > quorum) whole.splice(randomBelow(random, whole.length), 1)
  return new Set(whole)
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
