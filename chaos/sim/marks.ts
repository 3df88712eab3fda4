/** Marks on simulated inner packets: who sent which, so that checkers know every packet apart. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'

export interface Mark {
  readonly client: string
  readonly direction: 'up' | 'down'
  readonly counter: number
}

export function markPayload(mark: Mark): Bytes {
  return toUtf8(`${mark.client}/${mark.direction}/${mark.counter}`)
}

/** Null when it is no mark. */
export function markOf(payload: Bytes): Mark | null {
  const parts = /^(c\d+)\/(up|down)\/(\d+)$/.exec(fromUtf8(payload))
  return parts === null ? null : { client: parts[1]!, direction: parts[2] as Mark['direction'], counter: Number(parts[3]) }
}
