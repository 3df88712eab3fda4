/**
 * A gateway with 1, 100 or 10,000 sessions is killed: how soon after the takeover may every one of them be sent to? On this machine's
 * loopback, with the built-in clients and the demo's cluster; no root needed.
 */

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { loggedEventsIn } from '../../chaos/lab/logged-events.ts'
import type { ClusterApi } from '../../src/cli/demo/cluster-api.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { FleetCluster } from '../fleet/cluster.ts'
import { crowdOf, withFleetCluster } from '../fleet/cluster.ts'
import { FleetProcess, fleetModule } from './fleet-talk.ts'
import type { Readiness } from '../fleet/readiness.ts'
import { readinessOf } from '../fleet/readiness.ts'

const GATEWAYS = 3
/** In all; a session alone gets no more than a call's. */
const MOST_PACKETS_PER_SECOND = 2_500
const CALL_PACKETS_PER_SECOND = 50
/** So long before the kill and after it everything is sent as ever; before it, after every session has had a packet. */
const STEADY_MS = 3_000
const AFTER_MS = 5_000
const LATE_MS = 500
/** Longer than a gateway is held back that was taken for dead four times (`src/session/falls.ts`). */
const GIVEN_BACK_MS = 120_000
const LOOK_MS = 1_000

export interface FleetResult extends Readiness {
  /** Of the killed gateway. */
  readonly sessions: number
  /** From the kill to the takeover, as the survivors applied it. */
  readonly detectionMs: number
  readonly wasLeader: boolean
  readonly reAuthentications: number
}

/** Throws what could not be brought up, or did not happen; then only the logs stay. */
export function measureFleet(sessions: number): Promise<FleetResult> {
  return withFleetCluster(GATEWAYS, (cluster) => measure(cluster, sessions))
}

async function measure({ layout, gateways, api, fork }: FleetCluster, sessions: number): Promise<FleetResult> {
  const fleet = new FleetProcess(fork(fleetModule))
  const [victim, ...others] = layout.gateways.map(({ id }) => id)
  // Who drains takes no new sessions: all become the victim's.
  for (const id of others) await api.drain(id)
  const packetsPerSecond = Math.min(MOST_PACKETS_PER_SECOND, CALL_PACKETS_PER_SECOND * sessions)
  const { host, inside } = layout
  await fleet.connect({ type: 'fleet', ...crowdOf(layout, 0, sessions), packetsPerSecond, bothWays: false, calls: sessions, host, inside })
  const owned = await ownedInTheEnd(api, victim!, sessions)
  for (const id of others) await api.undrain(id)
  if (owned < sessions)
    throw new Error(`${victim} owns ${owned} of ${sessions} sessions before it is killed: others keep them, or it ended`)
  fleet.tell({ type: 'flow' })
  await delay(Math.ceil((sessions / packetsPerSecond) * 1000) + STEADY_MS)
  const { leader } = await api.picture()
  const wallAheadMs = Date.now() - monotonicMs()
  const faultMs = monotonicMs()
  await gateways.kill(victim!)
  await delay(AFTER_MS + LATE_MS)
  const { packets, reAuthentications } = await fleet.packets(faultMs - STEADY_MS, faultMs + AFTER_MS)
  const takeoverMs = takeoverSeen(layout, others, faultMs + wallAheadMs) - wallAheadMs
  return {
    sessions: owned,
    detectionMs: takeoverMs - faultMs,
    wasLeader: leader === victim,
    reAuthentications,
    ...readinessOf(packets, faultMs, takeoverMs),
  }
}

/**
 * How many sessions the gateway has once it has them all, or after a while. Others have some where they took it for dead as the clients connected, on a
 * machine that was too busy to hear of it; since they drain, they give them back.
 */
async function ownedInTheEnd(api: ClusterApi, gateway: string, sessions: number): Promise<number> {
  const untilMs = monotonicMs() + GIVEN_BACK_MS
  for (;;) {
    const owned = [...(await api.carried()).values()].filter(({ owner }) => owner === gateway).length
    if (owned === sessions || monotonicMs() >= untilMs) return owned
    await delay(LOOK_MS)
  }
}

/** When the first of the survivors applied it, ms of the wall clock. */
function takeoverSeen(layout: DemoLayout, survivors: readonly string[], fromMs: number): number {
  const times = layout.gateways
    .filter(({ id }) => survivors.includes(id))
    .flatMap(({ logFile }) => loggedEventsIn(readFileSync(logFile, 'utf8')))
    .filter(({ what }) => what === 'sessions moved')
    .map(({ timeMs }) => timeMs)
    .filter((timeMs) => timeMs >= Math.floor(fromMs))
  if (times.length === 0) throw new Error('no gateway took over after the kill: others took it for dead before, or still do not')
  return Math.min(...times)
}
