/**
 * What is done to the sessions: transfers (TM); the end of their gateway (HA), killed or silent; and nothing, to see what the machine does to
 * calls by itself. In each event some callers are bystanders, by turns: their sessions are not moved, or belong to gateways that survive.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { LabError } from '../../chaos/lab/lab-error.ts'
import type { GatewayId } from '../../chaos/lab/network.ts'
import { GATEWAY_IDS } from '../../chaos/lab/network.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { AFTER_MS, BEFORE_MS } from './samples.ts'
import type { Stage } from './stage.ts'
import type { ClientTraffic } from './traffic.ts'

/** What was sent at a window's end has arrived by then, or is lost. */
const LATE_MS = 400
/** From the moment that a gateway is ready again, so that what follows is not about its coming back. */
const SETTLE_MS = 1_000
/** A gateway that was silent has noticed by then that its life is over. */
const AWAKENING_MS = 500

export const conditions = ['undisturbed', 'transfer', 'kill', 'silence'] as const
export type Condition = (typeof conditions)[number]

export interface Occurrence {
  readonly condition: Condition
  /** Who was killed, or fell silent; null where nobody did. */
  readonly gateway: GatewayId | null
  /** Whether it held one of the shared addresses: then everybody's packets went by it. */
  readonly heldAddress: boolean
  /** Monotonic ms. */
  readonly atMs: number
  readonly untilMs: number
  /** From the fault to the entry of the log by which others took over. */
  readonly detectionMs: number | null
  readonly traffic: readonly ClientTraffic[]
  readonly isBystander: readonly boolean[]
}

/** `round`: from 0; who dies and who stands by changes with it. */
export async function occur(stage: Stage, condition: Condition, round: number, bystanders: number): Promise<Occurrence> {
  const count = stage.callers.length
  const standsBy = stage.callers.map((_, i) => (((i - round * bystanders) % count) + count) % count < bystanders)
  const victim = GATEWAY_IDS[round % GATEWAY_IDS.length]!
  const isFault = condition === 'kill' || condition === 'silence'
  if (isFault) await place(stage, victim, standsBy)
  await delay(BEFORE_MS, undefined, { signal: stage.signal })
  const before = await stage.sessions()
  const heldAddress = isFault && (await stage.network.holdsAddress(victim))
  const [atMs, atWallMs] = [monotonicMs(), Date.now()]
  if (condition === 'transfer') await transferAll(stage, standsBy)
  if (condition === 'kill') await stage.cluster.process(victim).kill()
  if (condition === 'silence') stage.cluster.process(victim).signal('SIGSTOP')
  const untilMs = atMs + AFTER_MS
  await delay(untilMs + LATE_MS - monotonicMs(), undefined, { signal: stage.signal })
  const traffic = await stage.traffic.window(atMs - BEFORE_MS, untilMs)
  if (isFault) await bringBack(stage, condition, victim)
  await checkSame(stage, before)
  return {
    condition,
    gateway: isFault ? victim : null,
    heldAddress,
    atMs,
    untilMs,
    detectionMs: isFault ? detectionMs(stage, victim, atWallMs) : null,
    traffic,
    // A machine that is too busy takes gateways for dead all by itself: what counts is whose the session was.
    isBystander: isFault ? before.map(({ owner }) => owner !== victim) : standsBy,
  }
}

/** Moved callers' sessions go to the gateway, bystanders' elsewhere. */
async function place(stage: Stage, victim: GatewayId, isBystander: readonly boolean[]): Promise<void> {
  const sessions = await stage.sessions()
  for (const [i, { id, owner }] of sessions.entries()) {
    if (isBystander[i] && owner === victim) await stage.cluster.transfer(id, next(victim))
    if (!isBystander[i] && owner !== victim) await stage.cluster.transfer(id, victim)
  }
}

/** One after the other, each to the next gateway. */
async function transferAll(stage: Stage, isBystander: readonly boolean[]): Promise<void> {
  for (const [i, { id, owner }] of (await stage.sessions()).entries()) {
    if (!isBystander[i]) await stage.cluster.transfer(id, next(owner))
  }
}

async function bringBack({ cluster, signal }: Stage, condition: Condition, victim: GatewayId): Promise<void> {
  if (condition === 'kill') cluster.restart(victim)
  else {
    cluster.process(victim).signal('SIGCONT')
    await delay(AWAKENING_MS, undefined, { signal })
  }
  await cluster.waitUntilReady([victim])
  await delay(SETTLE_MS, undefined, { signal })
}

/** Nobody has authenticated anew: that would be another session. */
async function checkSame(stage: Stage, before: readonly { readonly id: string }[]): Promise<void> {
  const after = await stage.sessions()
  const other = stage.callers.filter((_, i) => before[i]?.id !== after[i]?.id)
  if (other.length > 0) throw new LabError(`${other.map(({ name }) => name).join(', ')} had to connect anew`)
}

/** The survivors' logs have the wall clock. */
function detectionMs({ cluster }: Stage, victim: GatewayId, faultMs: number): number | null {
  const taken = cluster.eventsSeenByOthers(victim).find(({ timeMs, what }) => timeMs >= faultMs && what === 'sessions moved')
  return taken === undefined ? null : taken.timeMs - faultMs
}

function next(gateway: GatewayId): GatewayId {
  return GATEWAY_IDS[(GATEWAY_IDS.indexOf(gateway) + 1) % GATEWAY_IDS.length]!
}
