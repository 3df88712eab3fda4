/**
 * Whether loads are as even as sessions allow: a gateway with a session that is more than its share by itself keeps that one, and then the others
 * share what is left.
 */

import type { BalanceWorld } from '../balance/world.ts'

interface Carrying {
  readonly load: number
  readonly heaviest: number
}

/** `band`: so much of its share a gateway may be off. All gateways are taken to have the same capacity. */
export function isEven(world: BalanceWorld, band: number): boolean {
  const weights = world.weights()
  const all = world.willing().map(({ number }) => carrying(weights.get(number) ?? []))
  const [level, sharing] = shareOf(all, band)
  return sharing.every(({ load }) => Math.abs(load - level) <= band * level)
}

function carrying(weights: readonly number[]): Carrying {
  let [load, heaviest] = [0, 0]
  for (const weight of weights) {
    load += weight
    heaviest = Math.max(heaviest, weight)
  }
  return { load, heaviest }
}

/** What is left for each, and who shares it. */
function shareOf(gateways: readonly Carrying[], band: number): readonly [level: number, sharing: readonly Carrying[]] {
  const level = gateways.reduce((sum, { load }) => sum + load, 0) / Math.max(1, gateways.length)
  const sharing = gateways.filter(({ heaviest }) => heaviest <= (1 + band) * level)
  return sharing.length === gateways.length ? [level, sharing] : shareOf(sharing, band)
}
