/** Errors that are the world's fault, told apart by a stable code. */

export const raftErrorCodes = {
  ERR_NOT_LEADER: 'this server is not the leader',
  ERR_NO_LEADER: 'the cluster has no leader at the moment',
  ERR_PROPOSAL_DROPPED: 'the proposal was dropped before it reached the log; it is safe to retry',
  ERR_OUTCOME_UNKNOWN: 'the proposal may or may not have been committed',
  ERR_STORAGE: 'the storage failed; nothing is retried after a failed write',
  ERR_STORAGE_DAMAGED: 'the stored data is damaged',
  ERR_STORAGE_UNEXPECTED: 'the stored data belongs to another cluster or server',
  ERR_TARGET_NOT_UP: 'the server that should lead is unknown, does not vote, or does not answer',
  ERR_QUORUM_AT_RISK: 'the change would leave fewer than a majority of the voters answering',
  ERR_CONFLICT: 'something else is under way',
  ERR_CLOSED: 'the server is closed',
  ERR_VALIDATION: 'the input is not valid',
} as const

export type RaftErrorCode = keyof typeof raftErrorCodes

/** An error with a stable code; `message` adds the particulars. */
export class RaftError extends Error {
  override readonly name = 'RaftError'
  readonly code: RaftErrorCode

  constructor(code: RaftErrorCode, message?: string, options?: { cause?: unknown }) {
    super(message ?? raftErrorCodes[code], options)
    this.code = code
  }
}
