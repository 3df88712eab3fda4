/**
 * What a seed draws: which faults and commands come when. The same seed, length and scale give the same plan.
 *
 * Outages come in two lanes. Those of a lane come one after the other, with time for the gateway to come back between them, so at most two of the voters are out at
 * any moment: of five, and of four while one is being replaced, a majority is left (replacing counts as an outage of its lane; never two at once). The run does not trust
 * the plan's times, see survival.ts: an outage waits until who came before it is really back. Commands, rekeyings and steps of the clock come on top of anything.
 */

import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { GatewayId } from '../lab/network.ts'
import { gatewayIds } from '../lab/network.ts'
import type { Action, Deed, Kind, Outage } from './kinds.ts'
import { actionWeights, cuts, describeDeed, isOutage, outageWeights } from './kinds.ts'

export const VOTERS = 5
/** One machine has no gateway: for who joins. */
export const machines: readonly GatewayId[] = gatewayIds(VOTERS + 1)

export interface PlanOptions {
  readonly seed: number
  /** How long deeds are begun. */
  readonly seconds: number
  /** Stock clients. */
  readonly clients: number
  /** Only these. */
  readonly kinds: readonly Kind[]
}

export interface PlannedDeed {
  /** From 1, in the order of their times. */
  readonly number: number
  readonly atMs: number
  /** 0 or 1; null: comes on top. */
  readonly lane: number | null
  /** Whose admin API is asked, if any. */
  readonly via: GatewayId
  readonly deed: Deed
}

export type Plan = readonly PlannedDeed[]

const FIRST_MS = 1_500
/** Between the end of an outage and the lane's next one: some seconds to come back, and a pause. */
const BACK_MS = 3_500
const PAUSE_MS = 4_000
/** What a replacement takes, about. */
const REPLACE_MS = 8_000
/** Mean time between what comes on top. */
const ACTION_MS = 2_500
const SHORTEST_STEP_MS = 500
const MAX_STEP_MS = 86_400_000
/** Until everybody has seen that it is right again. */
const CLOCK_MARGIN_MS = 2_000
/**
 * No clock goes back further than this from the true time. Certificates are valid from an hour before they are made, which is minutes ago here, so whose clock is further
 * back takes nobody's, and nothing that connects anew reaches it: that can't be survived, by design.
 */
const MOST_BACK_MS = 3_000_000

interface Lane {
  readonly number: number
  nextMs: number
  /** Its latest outage. */
  busy: readonly GatewayId[]
  busyUntilMs: number
  isReplacing: boolean
}

export function planOf(options: PlanOptions): Plan {
  const random = new SeededRandom(options.seed)
  const deeds = [...outages(random.fork(), options), ...actions(random.fork(), options)]
  return deeds.toSorted((a, b) => a.atMs - b.atMs).map((deed, i) => ({ ...deed, number: i + 1 }))
}

type Unnumbered = Omit<PlannedDeed, 'number'>

function outages(random: SeededRandom, { seconds, kinds }: PlanOptions): Unnumbered[] {
  const weights = only(outageWeights, kinds)
  const planned: Unnumbered[] = []
  const lanes: Lane[] = [0, 1].map((number) => ({
    number,
    nextMs: FIRST_MS + randomBelow(random, PAUSE_MS) + number * PAUSE_MS,
    busy: [],
    busyUntilMs: 0,
    isReplacing: false,
  }))
  let spare = machines.at(-1)!
  while (weights.length > 0) {
    const [lane, other] = lanes.toSorted((a, b) => a.nextMs - b.nextMs) as [Lane, Lane]
    const atMs = lane.nextMs
    if (atMs >= seconds * 1000) break
    const isOtherBusy = other.busyUntilMs > atMs
    const taken = [spare, ...(isOtherBusy ? other.busy : [])]
    const type = weighted(random, isOtherBusy && other.isReplacing ? weights.filter(([type]) => type !== 'replace') : weights)
    if (type === null) break
    const [machine, second] = draw(
      random,
      machines.filter((machine) => !taken.includes(machine)),
    )
    const outage = outageOf(random, type, machine, second)
    planned.push({ atMs, lane: lane.number, via: pick(random, machines), deed: outage })
    lane.isReplacing = type === 'replace'
    lane.busy = [machine, ...(outage.type === 'cut' && outage.cut === 'link' ? [outage.other] : [])]
    lane.busyUntilMs = atMs + outage.forMs + BACK_MS
    lane.nextMs = lane.busyUntilMs + randomBelow(random, PAUSE_MS)
    if (type === 'replace') spare = machine
  }
  return planned
}

function outageOf(random: SeededRandom, type: Outage['type'], machine: GatewayId, other: GatewayId): Outage {
  // Short ones, which nobody may notice, are as likely as long ones.
  const forMs = between(random, 200, 1_500) + (randomBelow(random, 2) === 0 ? 0 : between(random, 1_000, 7_000))
  if (type === 'cut') return { type, cut: pick(random, cuts), machine, other, forMs }
  if (type === 'replace') return { type, machine, order: pick(random, ['join-first', 'remove-first']), forMs: REPLACE_MS }
  // At once as often as not: then nobody has noticed that it was gone.
  if (type === 'kill' && randomBelow(random, 3) === 0) return { type, machine, forMs: 0 }
  return { type, machine, forMs }
}

function actions(random: SeededRandom, { seconds, kinds, clients }: PlanOptions): Unnumbered[] {
  const weights = only(actionWeights, kinds)
  const planned: Unnumbered[] = []
  let drainedUntilMs = 0
  const wrongUntilMs = new Map<GatewayId, number>()
  for (let atMs = FIRST_MS; weights.length > 0;) {
    atMs += randomBelow(random, 2 * ACTION_MS)
    if (atMs >= seconds * 1000) break
    const type = weighted(random, atMs < drainedUntilMs ? weights.filter(([type]) => type !== 'drain') : weights)
    if (type === null) continue
    const deed = actionOf(random, type, clients)
    if (deed.type === 'clock') {
      if (atMs < (wrongUntilMs.get(deed.machine) ?? 0)) continue
      wrongUntilMs.set(deed.machine, atMs + deed.forMs + CLOCK_MARGIN_MS)
    }
    if (deed.type === 'drain') drainedUntilMs = atMs + deed.forMs
    planned.push({ atMs, lane: null, via: pick(random, machines), deed })
  }
  return planned
}

function actionOf(random: SeededRandom, type: Action['type'], clients: number): Action {
  const machine = pick(random, machines)
  switch (type) {
    case 'clock': {
      // As many steps of seconds as of hours.
      const lengthMs = Math.round(SHORTEST_STEP_MS * (MAX_STEP_MS / SHORTEST_STEP_MS) ** random.fraction())
      const isBack = randomBelow(random, 2) === 0 && lengthMs <= MOST_BACK_MS
      return { type, machine, stepMs: isBack ? -lengthMs : lengthMs, forMs: between(random, 2_000, 12_000) }
    }
    case 'transfers': {
      const some = draw(
        random,
        Array.from({ length: clients }, (_, i) => i),
      ).slice(0, between(random, 1, Math.max(2, clients / 2)))
      return { type, clients: some, to: machine }
    }
    case 'drain':
      return { type, machine, forMs: between(random, 1_000, 8_000) }
    case 'rebalance':
      return { type }
    case 'leader':
    case 'address':
      return { type, to: machine }
    case 'rekey':
      return { type, client: randomBelow(random, clients), what: pick(random, ['child', 'ike']) }
  }
}

/** A line a deed. */
export function formatPlan(plan: Plan): string {
  return plan.map((planned) => formatPlanned(planned)).join('\n')
}

export function formatPlanned({ number, atMs, lane, deed }: PlannedDeed): string {
  const place = lane === null ? '   ' : lane === 0 ? '|  ' : ' | '
  return `${(atMs / 1000).toFixed(1).padStart(7)} s ${place} ${String(number).padStart(3)}. ${describeDeed(deed)}`
}

/** How many deeds were in force while another was: every one that overlaps with at least one other. */
export function overlapping(spans: readonly { readonly fromMs: number; readonly toMs: number }[]): number {
  return spans.filter((one, i) => spans.some((other, j) => i !== j && one.fromMs < other.toMs && other.fromMs < one.toMs)).length
}

export function outagesOf(plan: Plan, lane: number): PlannedDeed[] {
  return plan.filter((planned) => planned.lane === lane && isOutage(planned.deed))
}

function only<T extends Kind>(weights: Readonly<Record<T, number>>, kinds: readonly Kind[]): (readonly [T, number])[] {
  return (Object.entries(weights) as [T, number][]).filter(([type]) => kinds.includes(type))
}

/** Null when there is nothing to choose. */
function weighted<T>(random: SeededRandom, weights: readonly (readonly [T, number])[]): T | null {
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
  if (total === 0) return null
  let at = randomBelow(random, total)
  for (const [type, weight] of weights) {
    if (at < weight) return type
    at -= weight
  }
  return null
}

/** From `least` to `most`. */
function between(random: SeededRandom, least: number, most: number): number {
  return least + randomBelow(random, Math.floor(most) - least + 1)
}

function pick<const T>(random: SeededRandom, from: readonly T[]): T {
  return from[randomBelow(random, from.length)]!
}

/** All of them, in another order (Fisher and Yates); at least two. */
function draw<T>(random: SeededRandom, from: readonly T[]): [T, T, ...T[]] {
  const order = [...from]
  for (let i = order.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order as [T, T, ...T[]]
}
