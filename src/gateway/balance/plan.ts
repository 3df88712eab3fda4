/**
 * Which sessions should move, so that as few as possible do: the largest that fits, again and again, between the gateways that need it most.
 *
 * A session fits if afterwards neither gateway is further from its target, on the other side, than the band. Where none does - sessions are as
 * large as gateways' shares - one moves if that brings the worse of the two nearer by more than the band, so nothing ever goes back and forth.
 */

import type { Place, Share } from './shares.ts'
import { deviationOf, sharesOf } from './shares.ts'
import { WEIGHT_CLASSES } from './weights.ts'

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

class Side {
  readonly number: number
  readonly share: Share
  load: number
  readonly counts: Uint32Array
  readonly loads: Float64Array

  constructor(share: Share) {
    const { number, account } = share.place
    this.number = number
    this.share = share
    this.load = account.load
    this.counts = account.counts.slice()
    this.loads = account.loads.slice()
  }

  get deviation(): number {
    return deviationOf(this.share, this.load)
  }

  after(change: number): number {
    return deviationOf(this.share, this.load + change)
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
  for (let left = limit; left > 0; left -= moves.at(-1)!.count) {
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

/** Where the largest session fits; of equals the first. */
function best(all: readonly Pick<Pair, 'from' | 'to'>[], band: number): Pair | null {
  const pairs = all.filter(({ from, to }) => from.deviation > to.deviation)
  let largest: Pair | null = null
  for (const { from, to } of pairs) {
    const weightClass = largestThatFits(from, to, band, largest?.weightClass ?? -1)
    if (weightClass !== null) largest = { from, to, weightClass }
  }
  return largest ?? firstHelpful(pairs, band)
}

/** Null: none above class `above`. */
function largestThatFits(from: Side, to: Side, band: number, above: number): number | null {
  for (let weightClass = WEIGHT_CLASSES - 1; weightClass > above; weightClass--) {
    if (from.counts[weightClass] === 0) continue
    const weight = from.weightOf(weightClass)
    if (from.after(-weight) >= -band && to.after(weight) <= band) return weightClass
  }
  return null
}

function firstHelpful(pairs: readonly Pick<Pair, 'from' | 'to'>[], band: number): Pair | null {
  for (const { from, to } of pairs) {
    const weightClass = mostHelpful(from, to, band)
    if (weightClass !== null) return { from, to, weightClass }
  }
  return null
}

function mostHelpful(from: Side, to: Side, band: number): number | null {
  let least = Math.max(Math.abs(from.deviation), Math.abs(to.deviation)) - band
  let best: number | null = null
  for (let weightClass = 0; weightClass < WEIGHT_CLASSES; weightClass++) {
    if (from.counts[weightClass] === 0) continue
    const weight = from.weightOf(weightClass)
    const worse = Math.max(Math.abs(from.after(-weight)), Math.abs(to.after(weight)))
    if (worse >= least) continue
    least = worse
    best = weightClass
  }
  return best
}

function take({ from, to, weightClass, count }: Choice): void {
  const weight = count * from.weightOf(weightClass)
  from.counts[weightClass]! -= count
  from.loads[weightClass]! -= weight
  from.load -= weight
  to.load += weight
}
