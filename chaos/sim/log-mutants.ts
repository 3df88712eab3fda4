/**
 * Mistakes of the log, and of how gateways lean on it, that the world of gateways must see: by what operators are told, though the raft-only world
 * may see them sooner, or by who serves; and of gateways at several sites. As for Raft's (raft/mutants.ts), a text in a compiled module and what stands in its place.
 */

import type { PatchMutant } from './mutation/patch.ts'

export const logMutants: readonly PatchMutant[] = [
  {
    name: 'gateways read from a leader that has not asked (thesis §6.4)',
    patches: [{ file: 'raft/read-index.js', find: 'if (!hasQuorum(raft.configuration, hasAcknowledged))', replace: 'if (false)' }],
  },
  {
    name: 'the serving lease is lent by a majority of all gateways, whoever votes',
    patches: [
      {
        file: 'src/gateway/liveness.js',
        find: 'return sets.some((voters) => voters.length > 0) ? sets : [this.#o.gateways]',
        replace: 'return [this.#o.gateways]',
      },
    ],
  },
  {
    name: 'gateways watch those only that the cluster began with',
    patches: [
      {
        file: 'src/gateway/liveness.js',
        find: 'presentGateways(this.#members(), this.#o.state)',
        replace: 'this.#o.gateways',
      },
    ],
  },
  {
    name: 'a gateway that was removed is watched by nobody',
    patches: [
      {
        file: 'src/gateway/liveness.js',
        find: 'presentGateways(this.#members(), this.#o.state)',
        replace: 'this.#members()',
      },
    ],
  },
  {
    name: 'a gateway sends from an address of another site',
    patches: [
      {
        file: 'src/gateway/packets/reply-path.js',
        find: 'if (!this.#hasOtherSites || this.isOwn(local) || this.#holderOf(local) !== null)',
        replace: 'if (true)',
      },
    ],
  },
]
