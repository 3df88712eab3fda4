/** Wrong programs, and a scope in which each must be seen. */

import type { Scope } from './scope.ts'
import { largeScopes, smallScopes } from './scopes.ts'
import { textMutants } from './text-mutants.ts'

export interface ExhaustiveMutant {
  /** As in text-mutants.ts. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** It breaks nothing in these scopes: it shows what a rule is not needed for. */
  readonly isHarmless: boolean
}

/** By the first word, or the reading's, of the name. */
const scopeOf: Readonly<Record<string, string>> = {
  'H1 literal: a horizon': 'wide-horizon',
  'H1 literal: the same': 'ceiling',
  'H2 tickback': 'ceiling',
  'H2 deadtick': 'lazy-ticks',
  'H3 norebase': 'ceiling',
  'H4 redown': 'lazy',
  'H5 anyrecord': 'horizon',
  'H6 xfloor': 'transfer',
  'H7 jump': 'snapshot',
  'H8 noreup': 'takeover',
  'H8 orphan': 'takeover',
  noepoch: 'transfer',
  noserial: 'horizon',
  notarget: 'transfer',
  noversion: 'exchange',
  nomid: 'exchange',
  twoexchanges: 'exchange',
  early: 'rekey',
  oldnext: 'takeover',
  oldplace: 'move',
  nofloor: 'horizon-copies',
  nostop: 'horizon',
  nospan: 'ceiling',
  overceiling: 'ceiling',
  overhorizon: 'horizon',
  replay: 'horizon-copies',
  resume: 'transfer',
  nofreeze: 'transfer',
  frozenreclaim: 'transfer',
  sameincarnation: 'crash',
}

/**
 * What the rules say twice. With one exchange in flight an owner never proposes two for one version (protocol.md R5); a transfer to who has just
 * ended passes on to its successor at once (R6).
 */
const harmless: readonly string[] = ['noversion', 'nomid', 'notarget']

export const exhaustiveMutants: readonly ExhaustiveMutant[] = textMutants.map(({ name }) => {
  const key = Object.keys(scopeOf).find((start) => name.startsWith(start))
  const scopes = [...smallScopes, ...largeScopes].filter((scope) => key !== undefined && scope.name === scopeOf[key])
  return { name, scopes, isHarmless: harmless.some((start) => name.startsWith(start)) }
})
