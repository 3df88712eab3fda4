/**
 * Mistakes of the log that the world of gateways must see, too, by what operators are told, though the raft-only world sees them sooner. As
 * there, a text in a compiled module and what stands in its place.
 */

import type { PatchMutant } from './mutation/patch.ts'

export const logMutants: readonly PatchMutant[] = [
  {
    name: 'gateways read from a leader that has not asked (thesis §6.4)',
    patches: [{ file: 'raft/read-index.js', find: 'if (!hasQuorum(raft.configuration, hasAcknowledged))', replace: 'if (false)' }],
  },
]
