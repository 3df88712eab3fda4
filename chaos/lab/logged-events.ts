/** What gateways log of what they applied (docs/logs.md), as far as scenes and benches look at it. */

import { Type } from 'typebox'
import { Value } from 'typebox/value'

/** `timeMs`: when, ms of the wall clock. `gateway`: whom it is about. */
export interface LoggedEvent {
  readonly timeMs: number
  readonly gateway: string | null
  readonly what: string
}

const line = Type.Object({ time: Type.String(), concerns: Type.Optional(Type.String()), what: Type.String() })

/** Lines that are no events, and a last line that is still being written, are left out. */
export function loggedEventsIn(log: string): LoggedEvent[] {
  return log.split('\n').flatMap((text) => {
    if (!text.startsWith('{') || !text.endsWith('}')) return []
    const value: unknown = JSON.parse(text)
    return Value.Check(line, value) ? [{ timeMs: Date.parse(value.time), gateway: value.concerns ?? null, what: value.what }] : []
  })
}
