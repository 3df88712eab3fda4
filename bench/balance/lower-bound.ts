/**
 * How many sessions must move at least, whoever plans it, for every gateway to be within a band around its share: what has too much must lose it,
 * and what has too little must get it, in the largest sessions that there are. It need not be possible in so few: whether a large one fits anywhere
 * is not asked.
 */

export interface Carried {
  readonly capacity: number
  /** Of its sessions; empty: it has none. */
  readonly weights: readonly number[]
}

export function fewestMoves(gateways: readonly Carried[], band: number): number {
  const loads = gateways.map(({ weights }) => sum(weights))
  const level = sum(loads) / sum(gateways.map(({ capacity }) => capacity))
  const shares = gateways.map(({ capacity }) => level * capacity)
  const out = sum(gateways.map(({ weights }, i) => least(descending(weights), loads[i]! - (1 + band) * shares[i]!)))
  const lacks = shares.map((share, i) => Math.max(0, (1 - band) * share - loads[i]!))
  const givers = gateways.flatMap(({ weights }, i) => (lacks[i]! > 0 ? [] : weights))
  return Math.max(out, least(descending(givers), sum(lacks)), lacks.filter((lack) => lack > 0).length)
}

/** How many of these, the first first, come to `needed`. */
function least(weights: readonly number[], needed: number): number {
  let [count, left] = [0, needed]
  for (const weight of weights) {
    if (left <= 0) break
    left -= weight
    count += 1
  }
  return count
}

function descending(weights: readonly number[]): readonly number[] {
  return Float64Array.from(weights).sort().reverse() as unknown as readonly number[]
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
