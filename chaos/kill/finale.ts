/** After the last fault: everything is whole, so everything must come back, within bounds. */

import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { GatewayId } from '../lab/network.ts'
import { disagreements } from './agreement.ts'
import type { Journal } from './journal.ts'
import type { SessionView } from './operator.ts'
import type { Stage } from './stage.ts'

/** Gateways that were started last come up, and everybody hears of everybody. */
const READY_LIMIT_MS = 60_000
/** From then on: a takeover that is still under way, and a client's longest silence. */
const FLOW_LIMIT_MS = 20_000
const AGREE_LIMIT_MS = 20_000
const LOOK_MS = 200
/** Traffic in peace, so that the picture shows it, and what is late has come. */
const PEACE_MS = 3_000
const LATE_MS = 1_000
/** Counted by a gateway whose state is another than others': must be 0 everywhere. */
const STATE_DIFFERS = 'state-hash-differs'

/** `members`: machines with a gateway. Leaves the traffic quiet. */
export async function bringHome(stage: Stage, members: readonly GatewayId[], journal: Journal, startMs: number): Promise<void> {
  const { cluster, operator, traffic, clients, signal } = stage
  const nowMs = () => monotonicMs() - startMs
  const within = async (what: string, limitMs: number, problems: () => Promise<readonly string[]>): Promise<void> => {
    const deadline = nowMs() + limitMs
    for (;;) {
      const left = await problems()
      if (left.length === 0) return
      if (nowMs() > deadline) {
        journal.find('no progress', nowMs(), `${what}, ${limitMs / 1000} s after everything was whole: ${left.join('; ')}`)
        return
      }
      await delay(LOOK_MS, undefined, { signal })
    }
  }
  await within('gateways do not serve', READY_LIMIT_MS, async () => {
    const ready = await Promise.all(members.map((machine) => cluster.admin(machine).isReady()))
    const unready = members.filter((_, i) => !ready[i])
    // A run that was broken off may have left one drained.
    for (const machine of unready) await operator.undrain(machine, cluster.idOf(machine))
    return unready
  })
  const healedMs = monotonicMs()
  await within('no traffic both ways', FLOW_LIMIT_MS, async () => {
    const latest = await traffic.latest()
    return clients.filter((_, i) => latest[i]! < healedMs)
  })
  await within('gateways do not agree', AGREE_LIMIT_MS, async () => {
    const views = new Map<string, readonly SessionView[]>()
    for (const machine of members) views.set(cluster.idOf(machine), (await operator.sessions(machine, 'local')) ?? [])
    return disagreements(
      views,
      clients,
      members.map((machine) => cluster.idOf(machine)),
    )
  })
  for (const machine of members) {
    const differing = await cluster.admin(machine).drops(STATE_DIFFERS)
    if (differing > 0)
      journal.find('violation', nowMs(), `${cluster.idOf(machine)} found ${differing} times that its state differs from others'`)
  }
  await delay(PEACE_MS, undefined, { signal })
  traffic.quiet()
  await delay(LATE_MS, undefined, { signal })
}
