/**
 * What the admin API needs of a gateway. The composition root implements it; a fake one serves the tests. Any gateway takes any request:
 * what needs a session's owner or the leader is the source's to pass on.
 *
 * Methods throw `CodedError`; status-codes.ts says how each code is answered.
 */

import type {
  clusterSchema,
  drainStatusSchema,
  eventSchema,
  gatewaySchema,
  leadershipSchema,
  memberRemovalSchema,
  memberSchema,
  readinessSchema,
  rebalanceSchema,
  restoredSchema,
  sessionPageSchema,
  sessionSchema,
  transferResultSchema,
} from './schemas.ts'
import type { ValueOf } from './schemas.ts'
import type { SealingKeySource } from './sealing-key-routes.ts'
import type { VpnSource } from './vpn-routes.ts'

export type ClusterView = ValueOf<typeof clusterSchema>
export type MemberView = ValueOf<typeof memberSchema>
export type MemberRemoval = ValueOf<typeof memberRemovalSchema>
export type Readiness = ValueOf<typeof readinessSchema>
export type GatewayView = ValueOf<typeof gatewaySchema>
export type SessionView = ValueOf<typeof sessionSchema>
export type SessionPage = ValueOf<typeof sessionPageSchema>
export type TransferResult = ValueOf<typeof transferResultSchema>
export type Leadership = ValueOf<typeof leadershipSchema>
export type DrainStatus = ValueOf<typeof drainStatusSchema>
export type Restored = ValueOf<typeof restoredSchema>
export type Rebalance = ValueOf<typeof rebalanceSchema>
export type AdminEvent = ValueOf<typeof eventSchema>

/** Null: not asked for. `cursor` is what an earlier page gave as `next`; the source chooses its form and refuses others (`ERR_VALIDATION`). */
export interface SessionQuery {
  readonly owner: string | null
  readonly identity: string | null
  /** 1 to 1,000. */
  readonly limit: number
  readonly cursor: string | null
}

export interface EventQuery {
  readonly after: number | null
  readonly follow: boolean
}

export interface AdminSource extends VpnSource, SealingKeySource {
  /** The cluster as this gateway sees it. */
  status(): ClusterView
  /** Whether this gateway may be sent traffic, and if not, why. An ordinary election changes nothing. */
  readiness(): Readiness
  /**
   * Resolves with an index once this gateway has applied all that was committed when it was called; costs no entry of the log. Throws
   * `ERR_NO_LEADER`, or `ERR_PROPOSAL_DROPPED` when the leader was lost meanwhile.
   */
  barrier(): Promise<number>
  /**
   * Hands leadership to another voter. Resolves when that one is seen to lead; to the present leader at once. Throws `ERR_GATEWAY_NOT_UP` for
   * one that is unknown, does not vote or does not answer, `ERR_NO_LEADER`, `ERR_CONFLICT` while another transfer is under way.
   */
  transferLeadership(to: string): Promise<Leadership>
  /**
   * Adds a member that receives the log and does not vote yet; at once where it is one, at this address. One that does not vote, at another address, is
   * dialled here from now on. Throws `ERR_CONFLICT` for the id of a voter, or one that a member had once: ids are never used again.
   */
  addMember(id: string, address: string): Promise<MemberView>
  /** Lets a member vote; at once where it does. Throws `ERR_GATEWAY_UNKNOWN`, `ERR_GATEWAY_NOT_UP` while it has not caught up. */
  promoteMember(id: string): Promise<MemberView>
  /**
   * Drains it, removes it, and sees it declared down; at once where it was removed before. With `force` it is not drained. Null: done; what
   * takes longer goes on, and is told how far it is when it is asked for again. Throws `ERR_GATEWAY_UNKNOWN`, `ERR_QUORUM_AT_RISK`,
   * `ERR_CONFLICT` when somebody undrains it.
   */
  removeMember(id: string, force: boolean): Promise<MemberRemoval | null>
  /** The index that reads without a barrier reflect. */
  appliedIndex(): number
  gateways(): readonly GatewayView[]
  sessions(query: SessionQuery): Promise<SessionPage>
  /** Throws `ERR_SESSION_UNKNOWN`. */
  session(id: string): Promise<SessionView>
  /** Resolves when the new owner has applied it; to the present owner at once, with the same epoch. */
  transfer(id: string, to: string): Promise<TransferResult>
  /** Ends the session: tells the client, frees its addresses. Works when the owner hangs. */
  terminate(id: string): Promise<void>
  /** Begins to move all sessions away from a gateway. Throws `ERR_GATEWAY_UNKNOWN`, `ERR_QUORUM_AT_RISK`. */
  drain(gateway: string): Promise<DrainStatus>
  drainStatus(gateway: string): Promise<DrainStatus>
  undrain(gateway: string): Promise<DrainStatus>
  /** Begins a round of the balancer's, also where it is switched off. What comes of it shows in the gateways' loads. Throws `ERR_NO_LEADER`. */
  rebalance(): Rebalance
  /** Gives a cluster address to another holder. Resolves when that one has applied it. */
  moveAddress(ip: string, to: string): Promise<void>
  /** All events with an index above this one are remembered. */
  eventsAfter(): number
  /**
   * Events with an index above `after`, in order, then, with `follow`, those that come, until the signal aborts; `after` null: only those that
   * come. What is older than the source remembers is left out.
   */
  events(query: EventQuery, signal: AbortSignal): AsyncIterable<AdminEvent>
  /** The lines of a backup (config/backup-file.ts), each with its end. */
  backup(): AsyncIterable<string>
  /**
   * Brings back configuration and addresses, and ends the sessions that there are unless they are to stay. Throws `ERR_VALIDATION` for what is not a whole
   * backup of this cluster under its sealing key, `ERR_CONFLICT` when the configuration changes meanwhile or a member is of an older build.
   */
  restore(body: AsyncIterable<Uint8Array>, keepSessions: boolean): Promise<Restored>
  /** In the text format of Prometheus. */
  metrics(): Promise<string>
}
