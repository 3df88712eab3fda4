/**
 * Gateways that join and leave, as operators ask for it at any gateway. Each request has the same effect however often it is made: what is so already
 * is answered as done.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { MemberRemoval, MemberView } from '../../admin/source.ts'
import { formatHostPort, parseHostPort } from '../../config/gateway-words.ts'
import { monotonicMs } from '../../dataplane/clock.ts'
import { majorityOf } from '../../gateway/failure-detector.ts'
import { CodedError } from '../../kit/errors.ts'
import type { Command } from '../../session/commands.ts'
import { establishedByOwner, heldBy } from '../../session/view.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { hasCode, insist, waitFor } from './patience.ts'

export interface MemberCommandsOptions {
  readonly gateway: GatewayProcess
  /** So that what is looked at here is not older than the question. */
  readonly barrier: () => Promise<unknown>
  readonly propose: (command: Command) => Promise<unknown>
  /** A removal that has not ended by then goes on, and the answer is that it does; 15 s unless told. */
  readonly answerMs?: number
}

const ANSWER_MS = 15_000
/** A look at a drain goes over all sessions. */
const LOOK_MS = 200
/** Whoever was removed is gone by then, or declared down. */
const DOWN_MS = 10_000
/** How many election timeouts a change waits for a leader, or for another change. */
const ELECTIONS = 5

export class MemberCommands {
  readonly #o: MemberCommandsOptions
  /** Removals that were begun here and have not ended. */
  readonly #removals = new Map<string, Promise<void>>()

  constructor(options: MemberCommandsOptions) {
    this.#o = options
  }

  async add(id: string, address: string): Promise<MemberView> {
    const where = parseHostPort(address)
    if (where === null)
      throw new CodedError('ERR_VALIDATION', `address: expected an IP address and a port such as 10.0.0.14:7400, got ${address}`)
    const written = formatHostPort(where)
    await this.#o.barrier()
    if (this.#log.isFormerMember(id))
      throw new CodedError(
        'ERR_CONFLICT',
        `${id} was a member once, and an id is never used again: what it acknowledged and lost must not be asked of it. Choose another id`,
      )
    const present = this.#find(id)
    if (present === null)
      await this.#insist(() => this.#log.addMember(id, written)).catch((error: unknown) =>
        this.#unless(error, () => this.#find(id)?.address === written),
      )
    else if (present.address !== written) await this.#move(present, written)
    return this.#known(id)
  }

  /** An address that was mistaken should not cost the id. A voter that is dialled elsewhere is no voter for the moment. */
  async #move({ id, address, role }: MemberView, to: string): Promise<void> {
    if (role === 'voter') throw new CodedError('ERR_CONFLICT', `${id} is a member and votes, at ${address}`)
    await this.#insist(() => this.#log.moveMember(id, to))
  }

  async promote(id: string): Promise<MemberView> {
    await this.#o.barrier()
    if (this.#known(id).role === 'voter') return this.#known(id)
    await this.#insist(() => this.#log.promoteMember(id)).catch((error: unknown) => {
      if (!hasCode(error, 'ERR_GATEWAY_NOT_UP')) return this.#unless(error, () => this.#known(id).role === 'voter')
      const { state, matchIndex } = this.#known(id)
      const how = matchIndex === null ? state : `${state}, holds the log up to ${matchIndex} of ${this.#log.status().commitIndex}`
      throw new CodedError('ERR_GATEWAY_NOT_UP', `${id} has not caught up yet, or does not answer (${how}); it can vote when it has`, {
        cause: error,
      })
    })
    return this.#known(id)
  }

  /**
   * Its sessions are handed over first, unless `force`: then they are taken over, as they are of one that does not run. Null: it is done. Else it
   * goes on by itself as long as this gateway does; asking again, here or at another one, waits for it or goes on with it.
   */
  async remove(id: string, force: boolean): Promise<MemberRemoval | null> {
    await this.#o.barrier()
    if (this.#log.isFormerMember(id)) return null
    const removal = (force ? undefined : this.#removals.get(id)) ?? this.#begin(id, force)
    const isDone = await Promise.race([removal.then(() => true), wait(this.#o.answerMs ?? ANSWER_MS, false, { ref: false })])
    return isDone ? null : { id, remaining: this.#remaining(id) }
  }

  #begin(id: string, force: boolean): Promise<void> {
    this.#known(id)
    this.#checkQuorumWithout(id)
    const removal = this.#remove(id, force)
    this.#removals.set(id, removal)
    const ended = (): void => {
      if (this.#removals.get(id) === removal) this.#removals.delete(id)
    }
    removal.then(ended, (error: unknown) => {
      ended()
      // Whoever asked may be gone.
      const reason = error instanceof Error ? error.message : String(error)
      this.#o.gateway.logger.write('member-not-removed', { member: id, reason })
    })
    return removal
  }

  async #remove(id: string, force: boolean): Promise<void> {
    const isDrained = !force && this.#current(id) !== 0
    if (isDrained) await this.#drain(id)
    // Somebody else may have gone on with it.
    if (this.#log.isFormerMember(id)) return
    try {
      await this.#insist(() => this.#removed(id)).catch((error: unknown) => this.#unless(error, () => this.#log.isFormerMember(id)))
    } catch (error) {
      if (isDrained && !hasCode(error, 'ERR_OUTCOME_UNKNOWN')) await this.#undrain(id)
      throw error
    }
    // Its own end is nothing that a removed gateway would hear of.
    if (id === this.#self) return
    await this.#until(DOWN_MS, () => this.#current(id) === 0)
  }

  get #log(): GatewayProcess['log'] {
    return this.#o.gateway.log
  }

  get #self(): string {
    return this.#o.gateway.config.gateway.id
  }

  #members(): readonly MemberView[] {
    return this.#o.gateway.membership.members(monotonicMs())
  }

  #find(id: string): MemberView | null {
    return this.#members().find((member) => member.id === id) ?? null
  }

  #known(id: string): MemberView {
    const found = this.#find(id)
    if (found === null)
      throw new CodedError('ERR_GATEWAY_UNKNOWN', `${id} ${this.#log.isFormerMember(id) ? 'was removed' : 'is not a member'}`)
    return found
  }

  /** The number of its incarnation while that is up, else 0. */
  #current(id: string): number {
    return this.#o.gateway.control.state.incarnations.current(id)?.number ?? 0
  }

  /** Before anything is moved; the leader looks again. */
  #checkQuorumWithout(id: string): void {
    const rest = this.#members().filter((member) => member.role === 'voter' && member.id !== id)
    const isUp = (member: MemberView): boolean => this.#current(member.id) !== 0 && member.state !== 'unreachable'
    const up = rest.filter(isUp)
    const needed = majorityOf(rest.map((member) => member.id))
    if (rest.length === 0) throw new CodedError('ERR_QUORUM_AT_RISK', `${id} is the only voter`)
    if (up.length < needed)
      throw new CodedError(
        'ERR_QUORUM_AT_RISK',
        `without ${id} there would be ${rest.length} voters, of which ${up.length} are up, and ${needed} are needed`,
      )
  }

  async #drain(id: string): Promise<void> {
    const { state } = this.#o.gateway.control
    const others = state.incarnations.candidates().filter((incarnation) => incarnation.gateway !== id)
    if (others.length === 0) throw new CodedError('ERR_QUORUM_AT_RISK', `no other gateway is up that could take the sessions of ${id}`)
    const isEmpty = (): boolean => this.#current(id) === 0 || (this.#remaining(id) === 0 && heldBy(state, this.#current(id)).length === 0)
    for (let drained = 0; drained === 0 || !isEmpty(); await wait(LOOK_MS, undefined, { ref: false })) {
      const isNew = this.#current(id) !== drained
      if (!isNew && state.incarnations.gateway(id)?.draining === false)
        throw new CodedError('ERR_CONFLICT', `${id} was let have sessions again while it was being drained; it stays`)
      // One that has come up anew takes sessions until it is told again.
      if (isNew) await this.#o.propose({ type: 'set-draining', gateway: id, draining: true })
      drained = this.#current(id)
    }
  }

  #remaining(id: string): number {
    return establishedByOwner(this.#o.gateway.control.state).get(this.#current(id))?.established ?? 0
  }

  /** It stays after all. Where that can't be had either, what is to be told is why it was not removed. */
  async #undrain(id: string): Promise<void> {
    await this.#o.propose({ type: 'set-draining', gateway: id, draining: false }).catch(() => undefined)
  }

  /** Of this gateway, too: then it is told by the others, and what it asked for has no answer. */
  #removed(id: string): Promise<void> {
    const removed = this.#log.removeMember(id)
    if (id !== this.#self) return removed
    const { membership } = this.#o.gateway
    const toldBefore = this.#until(DOWN_MS, () => membership.isRemoved).then((isRemoved) => {
      if (!isRemoved) return removed
    })
    const answered = removed.catch((error: unknown) => {
      if (!membership.isRemoved) throw error
    })
    return Promise.race([toldBefore, answered])
  }

  /** The same request at another gateway may have been first: then it is refused here, and has been done. */
  async #unless(error: unknown, isSo: () => boolean): Promise<void> {
    if (!hasCode(error, 'ERR_VALIDATION', 'ERR_CONFLICT')) throw error
    await this.#o.barrier()
    if (!isSo()) throw error
  }

  /** Again while there is no leader, or another change is under way. */
  #insist(change: () => Promise<void>): Promise<void> {
    const forMs = ELECTIONS * this.#o.gateway.config.timing.electionTimeoutMs
    return insist(forMs, ['ERR_NO_LEADER', 'ERR_PROPOSAL_DROPPED', 'ERR_CONFLICT'], change)
  }

  /** Whether it came to be so in the given time. */
  async #until(ms: number, isSo: () => boolean): Promise<boolean> {
    return (await waitFor(ms, () => isSo() || null)) ?? false
  }
}
