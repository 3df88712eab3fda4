/**
 * The audit trail of sessions: who had one, from when to when, at which gateways, and what it carried.
 *
 * Of each thing that happens to a session exactly one gateway tells: the one whose incarnation owns it in the agreed state at that entry of the log;
 * of a change of owner, the new one. One that dies before it has told leaves a gap in the trail (its logs, not the cluster's state); the events that
 * every gateway tells (events.ts) have it. One that starts again tells nothing of what its former life did.
 */

import { formatAddress, formatEndpoint } from '../context/address.ts'
import { holderOf } from '../context/holder.ts'
import { formatIdentity } from '../context/identity.ts'
import { decodeSessionContext } from '../context/session-context-codec.ts'
import type { Traffic } from '../context/traffic.ts'
import { addTraffic } from '../context/traffic.ts'
import { decodedOrNull } from '../kit/wire.ts'
import type { Command, CommitExchange } from '../session/commands.ts'
import { ownersOf } from '../session/owners.ts'
import type { Result } from '../session/results.ts'
import type { State } from '../session/state.ts'
import type { SessionView } from '../session/view.ts'
import { ownership, sessionView, sessionsOfHolder } from '../session/view.ts'
import type { Carried } from './session-counts.ts'

/** Whose session it is, in words. */
export interface AuditedSession {
  readonly session: number
  readonly identity: string | null
  readonly connection: string
  /** The client's and the cluster's end, and the addresses inside. */
  readonly remote: string
  readonly local: string
  readonly virtualIps: readonly string[]
  /** When it was established, wall-clock ms; 0: not known. */
  readonly beganAt: number
  readonly takeovers: number
  readonly transfers: number
}

/**
 * `client`: it sent DELETE; `operator`, `configuration`: we did, for that reason; `gateway`: we did, for another; `unanswered`: the client is gone;
 * `replaced`: by another session of its identity.
 */
export type EndReason = 'client' | 'operator' | 'configuration' | 'gateway' | 'unanswered' | 'replaced'

export type AuditEvent =
  | { readonly type: 'established'; readonly session: AuditedSession }
  /** `from`: the former owner; null: nobody knows any more, for an older build was among the gateways. */
  | { readonly type: 'moved'; readonly session: AuditedSession; readonly how: 'takeover' | 'transfer'; readonly from: string | null }
  /** Sessions without packets that were taken over, when they are many: less is said of each. */
  | { readonly type: 'many-moved'; readonly sessions: readonly number[]; readonly how: 'takeover'; readonly from: string }
  | { readonly type: 'ended'; readonly session: AuditedSession; readonly reason: EndReason; readonly traffic: Traffic }

export interface AuditOptions {
  readonly state: State
  /** Ours; 0: none. */
  readonly incarnation: () => number
  /** Whether the packet core has the session, and will tell what it carried to its end. */
  readonly isInstalled: (session: number) => boolean
  /** What the session has carried here and is not agreed yet. */
  readonly unsettled: (session: number) => Traffic
  readonly tell: (event: AuditEvent) => void
}

interface Ending {
  readonly session: AuditedSession
  readonly reason: EndReason
  traffic: Traffic
}

/** A session of ours before a command that may end it. */
interface AtStake {
  readonly view: SessionView
  readonly isInstalled: boolean
  readonly traffic: Traffic
}

const MAX_REASONS = 4096
/** So many moves are told at a tick, a hundred a second: after a takeover there may be very many, and the sessions' packets come first. */
const MOVES = 1
/** Sessions without packets, which are told of some time after a takeover: when they are more, so many in a line. */
const FEW_QUIET = 64
const QUIET_AT_ONCE = 256

interface Move {
  readonly session: number
  readonly how: 'takeover' | 'transfer'
  readonly from: string | null
}

export class AuditTrail {
  readonly #o: AuditOptions
  #atStake: AtStake[] = []
  /** Ended, and the packet core has still to say what they carried last. */
  readonly #ending = new Map<number, Ending>()
  /** Why we are about to end sessions. */
  readonly #reasons = new Map<number, 'operator' | 'configuration'>()
  /** To be told, the oldest first. */
  #moves: Move[] = []
  #quiet: { readonly sessions: readonly number[]; readonly from: string }[] = []

  constructor(options: AuditOptions) {
    this.#o = options
  }

  /** We are going to end the session, for this reason. */
  ending(session: number, reason: 'operator' | 'configuration'): void {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.set(session, reason)
  }

  /** A command is about to be applied. */
  before(command: Command): void {
    this.#atStake = []
    if (command.type !== 'commit-exchange' || command.context === null || this.#o.incarnation() === 0) return
    for (const session of [command.session, ...this.#rivals(command)]) {
      const now = ownership(this.#o.state, session)
      if (now === null || now.owner !== this.#o.incarnation() || now.phase === 'tombstone') continue
      const view = sessionView(this.#o.state, session)!
      const traffic = addTraffic(view.traffic, this.#o.unsettled(session))
      this.#atStake.push({ view, isInstalled: this.#o.isInstalled(session), traffic })
    }
  }

  /** The same command was applied, and reacted to. */
  after(command: Command, result: Result): void {
    const atStake = this.#atStake
    this.#atStake = []
    if (command.type === 'transfer' && result.type === 'batch') this.#transferred(command.incarnation, command.to, result.taken)
    if (command.type !== 'commit-exchange' || result.type !== 'done') return
    for (const one of atStake) {
      const { session, phase } = one.view
      const now = sessionView(this.#o.state, session)
      if (session !== command.session) {
        if (now === null && phase === 'established') this.#end(one, 'replaced')
      } else if (now !== null && phase === 'half-open' && now.phase === 'established')
        this.#o.tell({ type: 'established', session: audited(now) })
      else if (phase === 'established' && now?.phase !== 'established') this.#end(one, this.#reasonOf(command, now))
    }
  }

  /** A packet has opened a session that this gateway took over. */
  takenOver(session: number): void {
    this.#moves.push({ session, how: 'takeover', from: null })
  }

  /** This gateway took these over from another one, and no packet of theirs has come. */
  takenOverQuietly(sessions: readonly number[], from: string): void {
    if (sessions.length <= FEW_QUIET) this.#moves.push(...sessions.map((session): Move => ({ session, how: 'takeover', from })))
    else
      for (let at = 0; at < sessions.length; at += QUIET_AT_ONCE)
        this.#quiet.push({ sessions: sessions.slice(at, at + QUIET_AT_ONCE), from })
  }

  tick(): void {
    const quiet = this.#quiet.shift()
    if (quiet !== undefined) this.#tellQuiet(quiet)
    if (this.#moves.length === 0) return
    for (const { session, how, from } of this.#moves.splice(0, MOVES)) {
      const view = sessionView(this.#o.state, session)
      // What has ended since was told with how often it had moved.
      if (view?.phase === 'established')
        this.#o.tell({ type: 'moved', session: audited(view), how, from: from ?? this.#formerOwner(session) })
    }
  }

  #tellQuiet({ sessions, from }: { readonly sessions: readonly number[]; readonly from: string }): void {
    const present = sessions.filter((session) => ownership(this.#o.state, session)?.phase === 'established')
    if (present.length > 0) this.#o.tell({ type: 'many-moved', sessions: present, how: 'takeover', from })
  }

  /** Whom we took the session over from. */
  #formerOwner(session: number): string | null {
    const { state, incarnation } = this.#o
    const ours = state.incarnations.get(incarnation())?.gateway
    const owners = ownersOf(state, session)
    const place = owners.findLastIndex(({ gateway, way }) => gateway === ours && way === 'takeover')
    return owners[place - 1]?.gateway ?? null
  }

  /** The packet core tells what a session carried. True: of one that has ended, so that nobody else needs to know. */
  carried(row: Carried): boolean {
    const ending = this.#ending.get(row.session)
    if (ending === undefined) return false
    ending.traffic = addTraffic(ending.traffic, row)
    if (row.isLast) {
      this.#ending.delete(row.session)
      this.#o.tell({ type: 'ended', ...ending })
    }
    return true
  }

  /** Other sessions of whom the new context says the session belongs to: they may have to make room. */
  #rivals({ uniqueness, context, session }: CommitExchange): number[] {
    const decoded = uniqueness === 'replace' && context !== null ? decodedOrNull(decodeSessionContext, context) : null
    const holder = decoded === null ? null : holderOf(decoded)
    return holder === null ? [] : sessionsOfHolder(this.#o.state, holder).filter((other) => other !== session)
  }

  #end({ view, isInstalled, traffic }: AtStake, reason: EndReason): void {
    this.#reasons.delete(view.session)
    const ending = { session: audited(view), reason, traffic }
    if (isInstalled) this.#ending.set(view.session, ending)
    else this.#o.tell({ type: 'ended', ...ending })
  }

  #reasonOf({ direction, session, nowMs }: CommitExchange, now: SessionView | null): EndReason {
    if (direction === 'request') return 'client'
    if (direction === 'own-request') return this.#reasons.get(session) ?? 'gateway'
    // Only what nobody is left to be told of ends at once.
    return now === null || now.context.expiresAt === nowMs ? 'unanswered' : 'gateway'
  }

  #transferred(from: number, to: number, sessions: readonly number[]): void {
    if (from === to || to !== this.#o.incarnation() || to === 0) return
    const gateway = this.#o.state.incarnations.get(from)?.gateway ?? null
    for (const session of sessions) this.#moves.push({ session, how: 'transfer', from: gateway })
  }
}

function audited({ session, context, beganAt, takeovers, transfers }: SessionView): AuditedSession {
  return {
    session,
    identity: context.identity === null ? null : formatIdentity(context.identity),
    connection: context.connection,
    remote: formatEndpoint(context.remote),
    local: formatEndpoint(context.local),
    virtualIps: context.virtualIps.map(formatAddress),
    beganAt,
    takeovers,
    transfers,
  }
}
