/** `GET /demo/status`: what the demo knows of itself and no gateway does. */

import type { Life } from '../actions.ts'

export interface DemoStatus {
  readonly gateways: readonly {
    readonly id: string
    /** Null: it does not run. */
    readonly pid: number | null
    readonly state: Life
    readonly isDraining: boolean
    /** Why it must not be killed now; null: it may. */
    readonly objection: string | null
  }[]
  /** Whether gateways are killed, restarted and drained by themselves, and that is not over. */
  readonly isShowOn: boolean
  readonly restartAfterMs: number
  /** The one that can be heard. `owner`: the gateway that carries it; null: not known. */
  readonly call: { readonly client: string; readonly owner: string | null; readonly packetMs: number; readonly sampleRate: number }
}
