/** Assertions stay on in production: a server whose invariants broke must stop, and the others carry on. */

/** An invariant of this library did not hold. Not meant to be caught. */
export class RaftAssertionError extends Error {
  override readonly name = 'RaftAssertionError'
}

/** Throws when `condition` is false. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new RaftAssertionError(message)
}
