/** The one table from error codes to HTTP, and errors as `application/problem+json` (RFC 9457). */

import type { ErrorCode } from '../kit/errors.ts'
import { CodedError, errorCodes } from '../kit/errors.ts'
import type { problemSchema } from './schemas.ts'
import type { ValueOf } from './schemas.ts'

/** Without the request's id, which whoever answers puts in. */
export type ProblemDocument = Omit<ValueOf<typeof problemSchema>, 'requestId'>

export const problemMediaType = 'application/problem+json; charset=utf-8'
export const backupMediaType = 'application/x-ndjson'

export const statusOf: Readonly<Record<ErrorCode, number>> = {
  ERR_VALIDATION: 400,
  ERR_DECODE: 400,
  ERR_UNAUTHORIZED: 401,
  ERR_FORBIDDEN: 403,
  ERR_NOT_FOUND: 404,
  ERR_SESSION_UNKNOWN: 404,
  ERR_GATEWAY_UNKNOWN: 404,
  ERR_GATEWAY_NOT_UP: 409,
  ERR_QUORUM_AT_RISK: 409,
  ERR_CONFLICT: 409,
  ERR_RATE_LIMITED: 429,
  ERR_INTERNAL: 500,
  ERR_STORAGE: 500,
  ERR_STORAGE_DAMAGED: 500,
  ERR_BUILD_OUTDATED: 500,
  ERR_STATE_DIVERGED: 500,
  ERR_STORAGE_UNEXPECTED: 500,
  ERR_NOT_LEADER: 503,
  ERR_NO_LEADER: 503,
  ERR_PROPOSAL_DROPPED: 503,
  ERR_CLOSED: 503,
  ERR_OUTCOME_UNKNOWN: 504,
}

/** The answer for a code. `status` overrides the table where HTTP has a more exact one for the same code. */
export function problemOf(code: ErrorCode, detail: string = errorCodes[code], status: number = statusOf[code]): ProblemDocument {
  return { type: 'about:blank', title: errorCodes[code], status, code, detail }
}

/** The answer for whatever was thrown, or null when it is nothing that a client may be told about. */
export function problemOfError(error: unknown): ProblemDocument | null {
  if (error instanceof CodedError) return problemOf(error.code, error.message)
  if (!(error instanceof Error)) return null
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  return status >= 400 && status < 500 ? problemOf('ERR_VALIDATION', error.message, status) : null
}
