import { setTimeout } from 'node:timers/promises'

/** More than any condition needs on a busy machine; a test that waits in vain fails, and its process ends. */
const MAX_LOOKS = 20_000

/** Looks every millisecond until the condition holds. Throws when it never does. */
export async function until(condition: () => boolean): Promise<void> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    if (condition()) return
    await setTimeout(1)
  }
  throw new Error(`waited in vain for ${String(condition)}`)
}

export const loopback = { address: Uint8Array.of(127, 0, 0, 1), port: 0 }
export const loopback6 = { address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), port: 0 }
