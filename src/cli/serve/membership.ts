/**
 * This gateway as one of several: who is on the mesh with it, when it may come up, what the leader says of how far everybody is, and that it
 * was removed. All of it follows from the log's configuration, committed or not.
 */

import type { LogStatus } from '../../context/log-status.ts'
import type { State } from '../../session/state.ts'
import type { Bytes } from '../../kit/bytes.ts'
import type { MeshPeers } from '../../network/mesh-peers.ts'
import type { MemberProgress } from '../../network/peer-message.ts'
import { encodePeerMessage } from '../../network/peer-message.ts'

export interface MembershipOptions {
  readonly self: string
  readonly state: State
  readonly peers: MeshPeers
  /** To another gateway, on Raft's connection; may be lost. */
  readonly send: (gateway: string, message: Bytes) => void
  /** Resolves when everything that is committed now has been applied here. */
  readonly barrier: () => Promise<unknown>
  /** This process may take an incarnation. */
  readonly comeUp: () => void
  /** This gateway is no member any more, for good. Called once. */
  readonly removed: () => void
}

/** The leader tells the others this often how far everybody is. */
const PROGRESS_MS = 500
/** What it said is of use for so long. */
const PROGRESS_LIFE_MS = 3000

export class Membership {
  readonly #o: MembershipOptions
  #admitted = ''
  #status: LogStatus
  #isToComeUp = false
  #isCatchingUp = false
  #isRemoved = false
  #saidAtMs = -Infinity
  #progress: { leader: string; term: number; members: readonly MemberProgress[]; atMs: number } | null = null

  constructor(options: MembershipOptions, status: LogStatus) {
    this.#o = options
    this.#status = status
  }

  get isMember(): boolean {
    return this.#status.members.some(({ id }) => id === this.#o.self)
  }

  get isRemoved(): boolean {
    return this.#isRemoved
  }

  /** The process is to get an incarnation as soon as it can carry sessions. */
  comeUp(): void {
    this.#isToComeUp = true
    this.#maybeComeUp()
  }

  /** When the log's status changes, and at every tick. */
  follow(status: LogStatus, nowMs: number): void {
    this.#status = status
    this.#admit()
    this.#maybeComeUp()
    if (status.role === 'leader' && nowMs - this.#saidAtMs >= PROGRESS_MS) this.#sayProgress(nowMs)
    if (status.standing !== 'removed' || this.#isRemoved) return
    this.#isRemoved = true
    this.#o.removed()
  }

  /** A gateway, which may think that it leads, tells how far the members are. */
  progress(leader: string, term: number, members: readonly MemberProgress[], nowMs: number): void {
    this.#progress = { leader, term, members, atMs: nowMs }
  }

  /** The members, with what this gateway knows of them as the leader, or lately was told by the leader. */
  members(nowMs: number): LogStatus['members'] {
    const { members, leader, term } = this.#status
    const told = this.#progress
    if (told === null || told.leader !== leader || told.term !== term || nowMs - told.atMs > PROGRESS_LIFE_MS) return members
    return members.map((member) => {
      const progress = member.id === this.#o.self ? undefined : told.members.find(({ id }) => id === member.id)
      return progress === undefined || member.matchIndex !== null ? member : { ...member, ...progress }
    })
  }

  /** Who was removed stays until its incarnation has ended: what it still passes on arrives. A change may be undone until it is committed. */
  #admit(): void {
    const { members, configurationIndex, commitIndex } = this.#status
    const ids = new Set([...members.map(({ id }) => id), ...this.#o.state.incarnations.up().map(({ gateway }) => gateway)])
    if (configurationIndex > commitIndex) for (const id of this.#admitted.split(' ')) if (id !== '') ids.add(id)
    ids.delete(this.#o.self)
    const key = [...ids].sort().join(' ')
    if (key === this.#admitted) return
    this.#admitted = key
    this.#o.peers.admit(ids)
  }

  /**
   * A voter may have been away for a moment only: it comes up at once, which ends what its former life owned. One that does not vote may lack much of the log, and
   * would be given sessions that it can't carry yet: it catches up first.
   */
  #maybeComeUp(): void {
    if (!this.#isToComeUp || this.#isCatchingUp || !this.isMember) return
    if (this.#status.role !== 'learner') {
      this.#isToComeUp = false
      this.#o.comeUp()
      return
    }
    this.#isCatchingUp = true
    this.#o.barrier().then(
      () => this.#caughtUp(true),
      () => this.#caughtUp(false),
    )
  }

  #caughtUp(isCaughtUp: boolean): void {
    this.#isCatchingUp = false
    if (!isCaughtUp || !this.#isToComeUp) return
    this.#isToComeUp = false
    this.#o.comeUp()
  }

  #sayProgress(nowMs: number): void {
    this.#saidAtMs = nowMs
    const members = this.#status.members.map(({ id, state, matchIndex }) => ({ id, state, matchIndex }))
    const message = encodePeerMessage({ type: 'progress', term: this.#status.term, members })
    for (const { id } of members) if (id !== this.#o.self) this.#o.send(id, message)
  }
}
