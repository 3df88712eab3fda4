/** What a process is to walk. Nothing that the walk loads is loaded by this. */

import type { Patch } from '../mutation/patch.ts'
import { lazyConstants, scaledConstants } from './scaled.ts'
import type { Scope } from './scope.ts'
import { textMutants } from './text-mutants.ts'

export interface Order {
  readonly scope: Scope
  /** The name of a wrong program; null: the program. */
  readonly mutant: string | null
  /** States at most, and seconds. */
  readonly limit: number
  readonly seconds: number
}

/** The constants of walks, and what makes the program wrong. */
export function patchesOf({ scope, mutant }: Order): readonly Patch[] {
  const wrong = textMutants.find(({ name }) => name === mutant)?.patches ?? []
  return [...scaledConstants, ...(scope.isLazy ? lazyConstants : []), ...wrong]
}
