/**
 * Which sealing keys the members have, as each says of itself, and the agreement on the first one: the leader proposes its own as soon as everybody is known
 * to have it. From then on who comes without it is found out. Another key is proposed by an operator's request alone.
 */

import type { LogStatus } from '../context/log-status.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { noSealingKey } from '../kit/sealer.ts'
import type { SetSealingKey } from '../session/commands.ts'
import type { State } from '../session/state.ts'
import { SingleProposal } from './single-proposal.ts'

export interface SealingKeyOptions {
  readonly self: string
  readonly state: State
  /** Of this gateway, the one that seals first. */
  readonly own: () => readonly SealingKeyId[]
  readonly propose: (command: SetSealingKey, settled: () => void) => void
}

export class SealingKeyAgreement {
  readonly #o: SealingKeyOptions
  /** Of members that are connected. */
  readonly #known = new Map<string, readonly SealingKeyId[]>()
  readonly #proposal: SingleProposal<SetSealingKey>

  constructor(options: SealingKeyOptions) {
    this.#o = options
    this.#proposal = new SingleProposal(options.propose)
  }

  /** The keys that a member has, as it says now and then. */
  announced(gateway: string, keys: readonly SealingKeyId[]): void {
    this.#known.set(gateway, keys)
  }

  /** The connection to it has ended: it may come back with others. */
  lost(gateway: string): void {
    this.#known.delete(gateway)
  }

  /** Null: it has not said, for it is down, or of an older build. */
  keysOf(gateway: string): readonly SealingKeyId[] | null {
    const { self, own } = this.#o
    return gateway === self ? own() : (this.#known.get(gateway) ?? null)
  }

  tick(status: LogStatus | null): void {
    const { state, own } = this.#o
    if (status?.role !== 'leader' || this.#proposal.isUnderWay || state.clusterVersion < 2 || state.sealing.current !== noSealingKey) return
    const [to] = own()
    if (to === undefined || !status.members.every(({ id }) => this.keysOf(id)?.includes(to) === true)) return
    this.#proposal.propose({ type: 'set-sealing-key', from: noSealingKey, to })
  }
}
