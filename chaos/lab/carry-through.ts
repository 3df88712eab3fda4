/** Something that makes namespaces and processes, and what it made is gone again, however it ends. */

import { LabError } from './lab-error.ts'
import { Undo } from './undo.ts'

/** Where something may be made that is to be taken away. */
export interface Ground {
  /** Of the namespaces' names. */
  readonly prefix: string
  /** For files; what is made in it stays. */
  readonly folder: string
  readonly undo: Undo
  /** Aborted when the user ends it. */
  readonly signal: AbortSignal
}

/** One that could not be carried through has an error instead of a result. */
export type Carried<T> = { readonly type: 'finished'; readonly result: T } | { readonly type: 'broken'; readonly error: string }

/** What breaks off is an outcome like another; what leaves remains that can't be taken away is broken, too. */
export async function carryThrough<T>(signal: AbortSignal, run: (prefix: string, undo: Undo) => Promise<T>): Promise<Carried<T>> {
  const undo = new Undo()
  let outcome: Carried<T>
  try {
    outcome = { type: 'finished', result: await run(`evlab${process.pid}`, undo) }
  } catch (error) {
    outcome = { type: 'broken', error: signal.aborted ? String(signal.reason) : describe(error) }
  }
  const remains = await undo.all()
  return remains.length === 0 ? outcome : { type: 'broken', error: `could not be taken away: ${remains.join('; ')}` }
}

/** Ours says all by its message; of any other the place matters, too. */
function describe(error: unknown): string {
  if (error instanceof LabError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
