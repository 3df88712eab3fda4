/**
 * Gateways that come and go: each time that one has ended within the last ten minutes, though nobody wanted it, it waits twice as long until
 * sessions and cluster addresses are given to it again, as long as there are others. By the log's clock, so all gateways say the same.
 *
 * The first end costs it nothing: most gateways that crashed or were cut off are as good as any when they are back.
 */

/** An end that lies so far back counts no more. */
export const FALL_WINDOW_MS = 600_000
/** After the second end within the window; after the third twice as long, and so on, at most for a window. */
export const FIRST_BACKOFF_MS = 15_000
/** More make no difference. */
const REMEMBERED_FALLS = 8

export function noteFall(falls: readonly number[], clockMs: number): readonly number[] {
  return [...recent(falls, clockMs), clockMs].slice(-REMEMBERED_FALLS)
}

/** For how long a gateway with these falls that comes up now is held back. */
export function backoffMs(falls: readonly number[], clockMs: number): number {
  const { length: count } = recent(falls, clockMs)
  return count < 2 ? 0 : Math.min(FALL_WINDOW_MS, FIRST_BACKOFF_MS * 2 ** (count - 2))
}

function recent(falls: readonly number[], clockMs: number): readonly number[] {
  return falls.filter((ms) => clockMs - ms < FALL_WINDOW_MS)
}
