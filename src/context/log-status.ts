/** What a member of the replicated log knows of the group: for liveness and for people, never for safety. */

export type LogRole = 'leader' | 'follower' | 'candidate' | 'learner'

export interface LogStatus {
  readonly role: LogRole
  readonly term: number
  /** The member believed to lead, or null. */
  readonly leader: string | null
  readonly commitIndex: number
  /** Of this member: `unconfirmed` just after its start, `rejoining` while it has forgotten something; then it does not vote. `removed`: no longer. */
  readonly standing: 'member' | 'unconfirmed' | 'rejoining' | 'removed'
  /** The voters of the configuration that this member goes by; while they change, the old ones, too: of each set a majority is needed. */
  readonly voterSets: readonly (readonly string[])[]
  /** Where in the log that configuration is, or where a later part of the log begins with it in force. */
  readonly configurationIndex: number
  readonly members: readonly {
    readonly id: string
    readonly address: string
    readonly role: 'voter' | 'learner'
    /** `unknown` where this member does not lead. */
    readonly state: 'leader' | 'replicating' | 'probing' | 'snapshotting' | 'unreachable' | 'unknown'
    readonly matchIndex: number | null
  }[]
}
