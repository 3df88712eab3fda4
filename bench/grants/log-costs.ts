/** What commands about grants cost in the log, by what is in them. */

import type { GrantRecord } from '../../src/context/grants.ts'
import type { Advance } from '../../src/session/commands.ts'
import { encodeCommand } from '../../src/session/commands.ts'

/** Octets. */
export interface LogCosts {
  /** Heads of commands: incarnation, tick, how much follows. */
  ticks: number
  renewals: number
  /** Records that raise a horizon or change its rate, whatever else they say. */
  horizons: number
  /** That lower one. */
  shrinks: number
  /** That are about a ceiling alone. */
  ceilings: number
  /** That only say what a session carries, for the balance of load. */
  loads: number
}

export const noLogCosts: LogCosts = { ticks: 0, renewals: 0, horizons: 0, shrinks: 0, ceilings: 0, loads: 0 }

/** Adds a command of so many octets. */
export function addLogCosts(costs: LogCosts, command: Advance, octets: number): void {
  const empty = { ...command, grants: [], renewals: [] }
  const head = encodeCommand(empty).length
  const renewals = encodeCommand({ ...empty, renewals: command.renewals }).length - head
  let records = 0
  for (const grant of command.grants) {
    const record = encodeCommand({ ...empty, grants: [grant] }).length - head
    costs[kindOf(grant)] += record
    records += record
  }
  costs.renewals += renewals
  costs.ticks += octets - renewals - records
}

function kindOf({ children }: GrantRecord): keyof LogCosts {
  if (children.some(({ horizon }) => horizon?.shrink === true)) return 'shrinks'
  if (children.some(({ horizon }) => horizon !== null)) return 'horizons'
  return children.length > 0 ? 'ceilings' : 'loads'
}
