/** Who the gateways of the cluster are: the log's members, as its latest configuration has them. */

import type { LogStatus } from '../context/log-status.ts'

/** `first`: whom the cluster began with; of use only until the log says more, which it does from its first entry on. */
export function memberIds(status: LogStatus | null, first: readonly string[]): readonly string[] {
  return status === null || status.members.length === 0 ? first : status.members.map(({ id }) => id)
}
