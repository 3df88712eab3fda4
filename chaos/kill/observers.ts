/** Who looks at the cluster all the time, at every gateway in turn, whatever is done to it: what they are told is in the history. */

import { setTimeout as delay } from 'node:timers/promises'
import type { GatewayId } from '../lab/network.ts'
import { machines } from './plan.ts'
import type { Stage } from './stage.ts'

const SESSIONS_MS = 700
const MEMBERS_MS = 1_500
/** Each begins at another machine. */
const OBSERVERS = 2

/** Until the signal; resolves when the last answer has come. `ids`: of everybody who was or will be a member. */
export async function observe({ operator }: Stage, ids: () => readonly string[], signal: AbortSignal): Promise<void> {
  const every = async (ms: number, first: number, look: (via: GatewayId) => Promise<unknown>): Promise<void> => {
    for (let turn = first; !signal.aborted; turn++) {
      await look(machines[turn % machines.length]!)
      await delay(ms, undefined, { signal }).catch(() => undefined)
    }
  }
  const loops = Array.from({ length: OBSERVERS }, (_, i) => [
    every(SESSIONS_MS, i * 2, (via) => operator.sessions(via)),
    every(MEMBERS_MS, i * 2 + 1, (via) => operator.members(via, ids())),
  ])
  await Promise.all(loops.flat())
}
