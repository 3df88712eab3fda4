/**
 * Assertions stay on in production: a broken invariant stops the process, and the cluster carries its sessions on.
 */

/** An invariant of ours did not hold. Never caught below the process. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws when `condition` is false. Say the numbers in the message; split conditions instead of joining them with `&&`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the default branch of an exhaustive switch: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
