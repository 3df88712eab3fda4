/**
 * Which sessions should move, so that as few as possible do: again and again the one whose move brings the gateway that is furthest from its
 * target, and the one it goes to or comes from, nearest to their bands together. That may be a large one that overfills where it goes, if that
 * gateway can give smaller ones away more cheaply.
 *
 * What all loads are beyond their bands falls with each move, by a fair part of what is moved, so nothing goes back and forth; and where sessions are
 * so large that nothing helps, nothing moves.
 */

import type { Place, Share } from './shares.ts'
import { deviationOf, sharesOf } from './shares.ts'

/** So many sessions of a class of weight from one incarnation to another. */
export interface Move {
  readonly from: number
  readonly to: number
  readonly weightClass: number
  readonly count: number
}

export interface PlanOptions {
  /** Gateways within it are left alone: a fraction of their share. */
  readonly band: number
  /** Sessions, at most. */
  readonly limit: number
}

/** A plan is made between two packets: what is left to do is in the next one. */
const MAX_STEPS = 256

class Side {
  readonly number: number
  readonly share: Share
  load: number
  /** Classes of weight that had some. */
  readonly classes: readonly number[]
  readonly counts: Uint32Array
  readonly loads: Float64Array

  constructor(share: Share) {
    const { number, account } = share.place
    this.number = number
    this.share = share
    this.load = account.load
    this.counts = account.counts.slice()
    this.classes = [...this.counts.keys()].filter((weightClass) => this.counts[weightClass]! > 0)
    this.loads = account.loads.slice()
  }

  get deviation(): number {
    return deviationOf(this.share, this.load)
  }

  /** What the load is beyond the band around its target, when so much is added. */
  excess(added: number, band: number): number {
    const { target, share } = this.share
    return Math.max(0, Math.abs(this.load + added - target) - band * share)
  }

  /** The mean of a class that has some. */
  weightOf(weightClass: number): number {
    return this.loads[weightClass]! / this.counts[weightClass]!
  }
}

interface Pair {
  readonly from: Side
  readonly to: Side
  readonly weightClass: number
}

interface Choice extends Pair {
  readonly count: number
}

/** Between gateways any of which may carry any of their sessions. */
export function planMoves(places: readonly Place[], { band, limit }: PlanOptions): Move[] {
  const sides = sharesOf(places).map((share) => new Side(share))
  const moves: Move[] = []
  for (let left = limit; left > 0 && moves.length < MAX_STEPS; left -= moves.at(-1)!.count) {
    const choice = choose(sides, band, left)
    if (choice === null) break
    const { from, to, weightClass, count } = choice
    take(choice)
    moves.push({ from: from.number, to: to.number, weightClass, count })
  }
  return moves
}

/** For the gateway that is furthest from its target, unless nothing helps it; then for the next. */
function choose(sides: readonly Side[], band: number, limit: number): Choice | null {
  const outside = sides.filter(({ deviation }) => Math.abs(deviation) > band)
  outside.sort((a, b) => Math.abs(b.deviation) - Math.abs(a.deviation))
  for (const side of outside) {
    const pair = side.deviation > 0 ? away(side, sides, band) : towards(side, sides, band)
    if (pair !== null) return { ...pair, count: Math.min(limit, countFor(pair, side, band)) }
  }
  return null
}

/** A plan of thousands of small sessions takes no more steps than an eighth of the way each: others may need it more by then. */
const PART = 8

function countFor({ from, to, weightClass }: Pair, side: Side, band: number): number {
  const weight = from.weightOf(weightClass)
  const room = Math.min((from.deviation + band) * from.share.share, (band - to.deviation) * to.share.share)
  const needed = (Math.abs(side.deviation) - band) * side.share.share
  return Math.max(1, Math.min(from.counts[weightClass]!, Math.floor(Math.min(room, needed) / weight / PART)))
}

function away(from: Side, sides: readonly Side[], band: number): Pair | null {
  const others = sides.filter((side) => side !== from && !side.share.isFilledByOne).sort((a, b) => a.deviation - b.deviation)
  return best(
    others.map((to) => ({ from, to })),
    band,
  )
}

function towards(to: Side, sides: readonly Side[], band: number): Pair | null {
  const others = sides.filter((side) => side !== to).sort((a, b) => b.deviation - a.deviation)
  return best(
    others.map((from) => ({ from, to })),
    band,
  )
}

/** A move is worth so much of its weight at the least. */
const LEAST_GAIN = 1 / 4

/** Of equals the first, and the lightest. */
function best(pairs: readonly Pick<Pair, 'from' | 'to'>[], band: number): Pair | null {
  let found: Pair | null = null
  let most = 0
  for (const { from, to } of pairs) {
    const before = from.excess(0, band) + to.excess(0, band)
    for (const weightClass of from.classes) {
      if (from.counts[weightClass] === 0) continue
      const weight = from.weightOf(weightClass)
      const gain = before - from.excess(-weight, band) - to.excess(weight, band)
      if (gain <= most * (1 + 1e-9) || gain < LEAST_GAIN * weight) continue
      most = gain
      found = { from, to, weightClass }
    }
  }
  return found
}

function take({ from, to, weightClass, count }: Choice): void {
  const weight = count * from.weightOf(weightClass)
  from.counts[weightClass]! -= count
  from.loads[weightClass]! -= weight
  from.load -= weight
  to.load += weight
}
