/**
 * What each gateway should carry: its capacity's part of all, but nobody can carry less than its heaviest session. A gateway whose heaviest
 * session alone exceeds its part is to keep that one and no other, and the rest is shared by the others.
 */

import type { OwnerLoad } from './load-account.ts'

/** A gateway that takes part. */
export interface Place {
  /** Of its incarnation. */
  readonly number: number
  /** 1–16. */
  readonly capacity: number
  readonly account: OwnerLoad
}

export interface Share {
  readonly place: Place
  /** What its capacity is worth. */
  readonly share: number
  /** What it should carry: the share, or its heaviest session. */
  readonly target: number
  /** It has one session that exceeds its share, and should get no other. */
  readonly isFilledByOne: boolean
}

/** Of gateways any of which may carry any of their sessions; in their order. */
export function sharesOf(places: readonly Place[]): Share[] {
  const filled = new Set<Place>()
  for (;;) {
    const level = levelOf(places, filled)
    const next = places.filter((place) => !filled.has(place) && place.account.heaviest > level * place.capacity)
    for (const place of next) filled.add(place)
    if (next.length === 0) return places.map((place) => shareOf(place, level, filled.has(place)))
  }
}

/** What one unit of capacity gets of all but the sessions that fill a gateway. Never all gateways are filled: together they carry their heaviest ones. */
function levelOf(places: readonly Place[], filled: ReadonlySet<Place>): number {
  let [load, capacity] = [0, 0]
  for (const place of places) {
    load += place.account.load - (filled.has(place) ? place.account.heaviest : 0)
    capacity += filled.has(place) ? 0 : place.capacity
  }
  return capacity === 0 ? 0 : load / capacity
}

function shareOf(place: Place, level: number, isFilledByOne: boolean): Share {
  const share = level * place.capacity
  return { place, share, target: isFilledByOne ? place.account.heaviest : share, isFilledByOne }
}

/** How far a load is from its target, in shares: 0.1 is ten percent too much. */
export function deviationOf({ share, target }: Share, load: number): number {
  if (load === target) return 0
  return share === 0 ? Infinity : (load - target) / share
}

/** The largest deviation of a gateway, too much or too little; 0 where there is nothing to carry. */
export function imbalanceOf(places: readonly Place[]): number {
  if (places.length < 2) return 0
  return Math.max(...sharesOf(places).map((share) => Math.abs(deviationOf(share, share.place.account.load))))
}
