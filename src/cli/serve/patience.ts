/** Waiting for what is not so yet, and asking again for what can't be had at the moment. */

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { ErrorCode } from '../../kit/errors.ts'
import { CodedError } from '../../kit/errors.ts'

const POLL_MS = 5

/** What `look` gives as soon as that is not null; null: it still was after so long. */
export async function waitFor<T>(forMs: number, look: () => T | null): Promise<T | null> {
  const endMs = performance.now() + forMs
  for (;;) {
    const seen = look()
    if (seen !== null || performance.now() > endMs) return seen
    await wait(POLL_MS)
  }
}

/** Tries again, for so long, while it fails with one of these codes; then throws the last failure. Any other it throws at once. */
export async function insist<T>(forMs: number, codes: readonly ErrorCode[], attempt: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + forMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!hasCode(error, ...codes) || performance.now() > endMs) throw error
    }
    await wait(POLL_MS)
  }
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof CodedError && codes.includes(error.code)
}
