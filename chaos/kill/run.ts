/** One run: the stage, the nemesis on it, the way home, and what was seen. */

import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Ground } from '../lab/carry-through.ts'
import type { GatewayId } from '../lab/network.ts'
import { clientAddress, gatewayOfHardwareAddress } from '../lab/network.ts'
import { NoProgress } from '../sim/no-progress.ts'
import { bringHome } from './finale.ts'
import { Journal } from './journal.ts'
import { judge } from './judge.ts'
import type { ClientReport } from './messages.ts'
import type { Silence } from './flow.ts'
import { Nemesis } from './nemesis.ts'
import { observe } from './observers.ts'
import type { Outcome } from './operator.ts'
import type { KillOptions } from './options.ts'
import type { Plan } from './plan.ts'
import { VOTERS, machines } from './plan.ts'
import { clientLogs, openStage } from './stage.ts'
import { checkClientLog } from './client-log-checks.ts'
import type { Carrying, WireTotals } from './wire-checks.ts'
import { WireChecks } from './wire-checks.ts'

/**
 * What a gateway's process is given here. Twice as patient as the defaults: six gateways, twenty daemons and all their traffic on two processors make everybody late at
 * times. A short log, so that who was away may need a snapshot.
 */
const SERVING_LEASE_MS = 3_000
export const gatewayLines = `timing: { heartbeatMs: 100, electionTimeoutMs: 600, gatewayDownMs: 600, servingLeaseMs: ${SERVING_LEASE_MS} }
storage: { checkpointCommands: 1000, logTailOctets: 262144 }
`
/** On top of the lease: what the machine may take to let somebody look at it. */
const LATE_MARGIN_MS = 500
/** In peace before the first deed. */
const WARM_UP_MS = 3_000

export interface RunResult {
  readonly journal: Journal
  readonly clients: readonly string[]
  readonly reports: readonly ClientReport[]
  /** The same before the first deed: what this machine does by itself. */
  readonly calm: readonly ClientReport[]
  readonly stalls: readonly Silence[]
  /** Datagrams of clients that were sent to the gateways a second time. */
  readonly replayed: number
  /** What the gateways that run in the end have dropped as repeated since they were started. */
  readonly refusedReplays: number
  readonly wire: WireTotals
  /** Of each client, when which machine's ESP came; ms since the nemesis began. */
  readonly carriers: readonly (readonly Carrying[])[]
  readonly retransmissions: number
  readonly rekeyings: number
  readonly uncaptured: number
  readonly outcomes: ReadonlyMap<string, Readonly<Record<Outcome, number>>>
  readonly asked: { readonly owners: number; readonly members: number }
  /** In peace before it began. */
  readonly warmUpMs: number
  /** From the first deed to the last packet. */
  readonly lengthMs: number
  /** Of the monotonic clock when the nemesis began. */
  readonly startMs: number
}

export async function runKill(ground: Ground, options: KillOptions, plan: Plan, say: (line: string) => void): Promise<RunResult> {
  const stage = await openStage(
    ground,
    { stock: options.clients, builtIn: options.builtIn, perSecond: options.perSecond, gateway: gatewayLines },
    say,
  )
  const { traffic, clients, operator, signal, history } = stage
  const known = (await operator.sessions(machines[0]!)) ?? []
  const sessions = clients.map((client) => known.find(({ identity }) => identity === client)?.id ?? '')
  traffic.flow()
  await delay(WARM_UP_MS, undefined, { signal })
  const { clients: calm } = await traffic.report()
  const journal = new Journal()
  const startMs = monotonicMs()
  const startWallMs = Date.now()
  const nemesis = new Nemesis({ plan, stage, journal, sessions, say, startMs })
  const watching = new AbortController()
  const ids = Array.from({ length: VOTERS + plan.length }, (_, i) => `sg${i + 1}`)
  const observers = observe(stage, () => ids, AbortSignal.any([signal, watching.signal]))
  say(`traffic flows; ${plan.length} deeds in ${options.seconds} s begin`)
  let members: readonly GatewayId[]
  try {
    await nemesis.run()
  } catch (error) {
    if (!(error instanceof NoProgress)) throw error
    journal.find('no progress', monotonicMs() - startMs, error.message)
    say(`  !!! ${error.message}`)
  } finally {
    members = nemesis.members
  }
  say(`${((monotonicMs() - startMs) / 1000).toFixed(1).padStart(7)} s  everything is healed`)
  await bringHome(stage, members, journal, startMs)
  const lengthMs = monotonicMs() - startMs
  watching.abort()
  await observers
  const drops = await Promise.all(members.map(async (machine) => stage.cluster.admin(machine).drops('esp-replay')))
  const refusedReplays = drops.reduce((sum, count) => sum + count, 0)
  const { clients: reports, stalls, replayed } = await traffic.report()
  const wire = new WireChecks({
    lateMs: SERVING_LEASE_MS + LATE_MARGIN_MS,
    gatewayOf: (hardware) => gatewayOfHardwareAddress(hardware) ?? hardware,
  })
  const uncaptured = await stage.capture.stop(wire)
  const logs = await clientLogs(stage)
  const addresses = clients.map((_, i) => clientAddress(i))
  judge({ clients, addresses, reports, logs, wire, replayed, refusedReplays, history, startWallMs, startMs }, journal)
  const clientReports = logs.map(checkClientLog)
  return {
    journal,
    clients,
    reports,
    calm,
    stalls,
    replayed,
    refusedReplays,
    wire: wire.totals,
    carriers: addresses.map((address) =>
      (wire.carriers.get(address) ?? []).map(({ timeMs, gateway }) => ({ timeMs: timeMs - startWallMs, gateway })),
    ),
    retransmissions: clientReports.reduce((sum, { retransmissions }) => sum + retransmissions, 0),
    rekeyings: clientReports.reduce((sum, { rekeyings }) => sum + rekeyings, 0),
    uncaptured,
    outcomes: operator.outcomes,
    asked: { owners: history.owners.length, members: history.members.length },
    warmUpMs: WARM_UP_MS,
    lengthMs,
    startMs,
  }
}
