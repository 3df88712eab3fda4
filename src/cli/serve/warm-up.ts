/**
 * A takeover makes a gateway open the keys of thousands of sessions at once, maybe for the first time in its life, and code that runs for the first time runs
 * ten times as long: some 250 µs a session, which add up before V8 has compiled it. So it is called a while before, at the start.
 */

import type { Sealer } from '../../kit/sealer.ts'

/** As many as it takes, some 50 ms. */
const CALLS = 1500
/** Of a Child SA's keys. */
const OCTETS = 80

export function warmUp(sealer: Sealer): void {
  const sealed = sealer.seal('warm-up', new Uint8Array(OCTETS))
  for (let i = 0; i < CALLS; i++) sealer.open('warm-up', sealed)
}
