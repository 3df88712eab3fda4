/**
 * One gateway of the bench of memory (memory.ts), in a process of its own: `SESSIONS bystander|owner`.
 *
 * Sessions of a crowd (crowd/crowd.ts) are applied by a gateway's two cores. Two gateways: one that owns nothing, before and after it takes all
 * sessions over; and one that established them, before and after it let them rest.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Limit, Measurement } from '../bench.ts'
import { figure } from '../bench.ts'
import { Crowd, wallMs } from '../crowd/crowd.ts'
import { GatewayCores, clusterAddress } from '../crowd/gateway-cores.ts'
import { giveMemoryBack } from '../../src/network/syscalls.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** "≤ 1 KiB an established PSK session with one child", once its IKE_AUTH reply is forgotten (docs/architecture.md). */
const LIMIT_OCTETS = 1024
/** With fewer the octets that any process takes are most of it. */
const LEAST_SESSIONS = 100_000
/** What is let rest is let rest within so many: no session was opened. */
const QUIET_TICKS = 1000
const MOST_WARM = 20_000

interface Memory {
  readonly rss: number
  readonly heap: number
  readonly buffers: number
}

function memory(): Memory {
  for (let i = 0; i < 3; i++) collect()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  return { rss, heap: heapUsed, buffers: arrayBuffers }
}

function report(what: string, before: Memory, sessions: number, limit?: Limit): void {
  const now = memory()
  const each = (value: number): ReturnType<typeof figure> => figure('octets', [Math.round(value / sessions)])
  tell({
    parameters: { what },
    figures: {
      resident: limit === undefined || sessions < LEAST_SESSIONS ? each(now.rss - before.rss) : { ...each(now.rss - before.rss), limit },
      'JavaScript heap': each(now.heap - before.heap),
      'typed arrays': each(now.buffers - before.buffers),
    },
  })
}

function tell(row: Measurement): void {
  process.send?.(row)
}

function parts({ control: { state } }: GatewayCores, sessions: number): void {
  const each = (octets: number): ReturnType<typeof figure> => figure('octets', [Math.round(octets / sessions)])
  for (const [name, table] of [
    ['sessions', state.sessions],
    ['IKE SAs', state.ikes],
    ['Child SAs', state.children],
    ['addresses', state.addresses],
    ['moves', state.moves],
  ] as const) {
    tell({ parameters: { what: `of it, ${name}` }, figures: { columns: each(table.columnOctets), indexes: each(table.indexOctets) } })
  }
  const slab = { reserved: each(state.slab.reservedOctets), used: each(state.slab.usedOctets) }
  tell({ parameters: { what: 'of it, contexts and replies' }, figures: slab })
}

/** What code and the collector take anyway is no session's: another gateway with many of them, gone again. */
function warmUp(crowd: Crowd, sessions: number): void {
  const gateway = new GatewayCores({ self: 'sg3', sealer: crowd.sealer })
  gateway.apply({ type: 'gateway-up', gateway: 'sg1', nonce: 1n, capacity: 1, addresses: [clusterAddress] })
  for (let n = 1; n <= Math.min(MOST_WARM, sessions); n++) for (const command of crowd.commandsOf(n, 1)) gateway.apply(command)
}

/** Commands whose only effect is the log's clock: five minutes pass, and replies are forgotten. */
function forgetReplies(gateway: GatewayCores, sessions: number): void {
  gateway.apply({ type: 'set-cluster-version', version: 2 })
  for (let i = 1; i <= 10 + sessions / 64; i++)
    gateway.apply({ type: 'reserve-addresses', addresses: [], nowMs: wallMs + sessions + 60_000 * Math.min(i, 6) })
}

function onBystander(crowd: Crowd, sessions: number): void {
  const gateway = new GatewayCores({ self: 'sg2', sealer: crowd.sealer })
  gateway.commitOwn()
  gateway.apply({ type: 'gateway-up', gateway: 'sg1', nonce: 1n, capacity: 1, addresses: [clusterAddress] })
  const before = memory()
  for (let n = 1; n <= sessions; n++) for (const command of crowd.commandsOf(n, 2)) gateway.apply(command)
  report('a gateway that owns none of them, at first', before, sessions)
  forgetReplies(gateway, sessions)
  report('  after five minutes', before, sessions, { atMost: LIMIT_OCTETS })
  gateway.apply({ type: 'gateway-down', incarnation: 2 })
  for (let i = 0; i < sessions / 200; i++) gateway.apply({ type: 'gateway-down', incarnation: 999 })
  report('  after it took all of them over', before, sessions, { atMost: LIMIT_OCTETS })
  parts(gateway, sessions)
}

function onOwner(crowd: Crowd, sessions: number): void {
  const gateway = new GatewayCores({ self: 'sg1', sealer: crowd.sealer })
  gateway.commitOwn()
  const before = memory()
  for (let n = 1; n <= sessions; n++) for (const command of crowd.commandsOf(n, 1)) gateway.apply(command)
  report('a gateway that has just established all of them', before, sessions)
  forgetReplies(gateway, sessions)
  gateway.pass(700_000, QUIET_TICKS)
  report('  after ten minutes without traffic', before, sessions, { atMost: LIMIT_OCTETS })
  parts(gateway, sessions)
}

function main([sessions, role]: readonly string[]): void {
  giveMemoryBack()
  const crowd = new Crowd()
  warmUp(crowd, Number(sessions))
  if (role === 'bystander') onBystander(crowd, Number(sessions))
  else onOwner(crowd, Number(sessions))
  process.disconnect?.()
}

main(process.argv.slice(2))
