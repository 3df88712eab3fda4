/**
 * This gateway as one of several: who is on the mesh with it, when it may come up, what the leader says of how far everybody is, and that it
 * was removed. All of it follows from the log's latest configuration, committed or not. No I/O.
 */

import type { LogStatus } from '../context/log-status.ts'
import type { State } from '../session/state.ts'

export type Member = LogStatus['members'][number]

/** How far the leader knows a member to be. */
export type MemberProgress = Pick<Member, 'id' | 'state' | 'matchIndex'>

export interface MembershipOptions {
  readonly self: string
  readonly state: State
  /** These other gateways are on the mesh from now on. */
  readonly admit: (gateways: readonly string[]) => void
  /** Tells another gateway how far the members are; may be lost. */
  readonly tell: (gateway: string, term: number, members: readonly MemberProgress[]) => void
  /** Calls back when everything that is committed now has been applied here, or, with false, when that can't be had. */
  readonly catchUp: (done: (isCaughtUp: boolean) => void) => void
  /** This process may take an incarnation. */
  readonly comeUp: () => void
  /** This gateway is no member any more, for good. Called once. */
  readonly removed: () => void
}

/** The members' ids. `first`: whom the cluster began with; of use only until the log says more, which it does from its first entry on. */
export function memberIds(status: LogStatus | null, first: readonly string[]): readonly string[] {
  return status === null || status.members.length === 0 ? first : status.members.map(({ id }) => id)
}

/** The members, and who was removed and is up still: it passes on what comes until its incarnation has ended. */
export function presentGateways(members: readonly string[], { incarnations }: State): Set<string> {
  return new Set([...members, ...incarnations.up().map(({ gateway }) => gateway)])
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
  members(nowMs: number): readonly Member[] {
    const { members, leader, term } = this.#status
    const told = this.#progress
    if (told === null || told.leader !== leader || told.term !== term || nowMs - told.atMs > PROGRESS_LIFE_MS) return members
    return members.map((member) => {
      const progress = told.members.find(({ id }) => id === member.id)
      return progress === undefined || member.matchIndex !== null ? member : { ...member, ...progress }
    })
  }

  /** Who was removed stays until its incarnation has ended: what it still passes on arrives. A change may be undone until it is committed. */
  #admit(): void {
    const { members, configurationIndex, commitIndex } = this.#status
    const ids = presentGateways(
      members.map(({ id }) => id),
      this.#o.state,
    )
    if (configurationIndex > commitIndex) for (const id of this.#admitted.split(' ')) if (id !== '') ids.add(id)
    ids.delete(this.#o.self)
    const sorted = [...ids].sort()
    const key = sorted.join(' ')
    if (key === this.#admitted) return
    this.#admitted = key
    this.#o.admit(sorted)
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
    this.#o.catchUp((isCaughtUp) => this.#caughtUp(isCaughtUp))
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
    for (const { id } of members) if (id !== this.#o.self) this.#o.tell(id, this.#status.term, members)
  }
}
