/**
 * Errors that are the world's fault, told apart by a stable code. The admin API maps the same codes to HTTP.
 */

export const errorCodes = {
  ERR_NOT_LEADER: 'this server is not the leader',
  ERR_NO_LEADER: 'the cluster has no leader at the moment',
  ERR_PROPOSAL_DROPPED: 'the proposal was dropped before it reached the log; it is safe to retry',
  ERR_OUTCOME_UNKNOWN: 'the proposal may or may not have been committed',
  ERR_CLOSED: 'the component is closed',
  ERR_STORAGE: 'the storage failed; nothing is retried after a failed write',
  ERR_STORAGE_DAMAGED: 'the stored data is damaged',
  ERR_BUILD_OUTDATED: 'this build is older than what the cluster has agreed on',
  ERR_STATE_DIVERGED: 'the state is not the one that the cluster agreed on',
  ERR_STORAGE_UNEXPECTED: 'the stored data belongs to another cluster or server',
  ERR_DECODE: 'the octets do not decode',
  ERR_VALIDATION: 'the input is not valid',
  ERR_SESSION_UNKNOWN: 'no such session',
  ERR_GATEWAY_UNKNOWN: 'no such gateway',
  ERR_GATEWAY_NOT_UP: 'the gateway is not up',
  ERR_QUORUM_AT_RISK: 'the change would put the quorum at risk',
  ERR_CONFLICT: 'the state has changed meanwhile',
  ERR_UNAUTHORIZED: 'a valid token is required',
  ERR_FORBIDDEN: 'the token does not allow this',
  ERR_RATE_LIMITED: 'too many requests',
  ERR_NOT_FOUND: 'there is nothing at this address',
  ERR_INTERNAL: 'an unexpected error; the log of the gateway has it',
} as const

export type ErrorCode = keyof typeof errorCodes

/** An error with a stable code; `message` adds the particulars. */
export class CodedError extends Error {
  override readonly name = 'CodedError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message?: string, options?: { cause?: unknown }) {
    super(message ?? errorCodes[code], options)
    this.code = code
  }
}
