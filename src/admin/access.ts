/** Who may do what: a bearer token for reading, another for everything, none for probes and the page (RFC 6750). */

import { createHash, timingSafeEqual } from 'node:crypto'
import { CodedError } from '../kit/errors.ts'

/** What a route asks for. `none`: no token at all. */
export type Access = 'none' | 'read' | 'admin'

/** `read` is null where there is no such token. */
export interface Tokens {
  readonly admin: string
  readonly read: string | null
}

/** Gives what the token in an `Authorization` header is for. It throws `ERR_UNAUTHORIZED` or `ERR_FORBIDDEN`. */
export type AccessCheck = (wanted: Access, authorization: string | undefined) => Access

export function createAccessCheck(tokens: Tokens): AccessCheck {
  const admin = digest(tokens.admin)
  const read = tokens.read === null ? null : digest(tokens.read)
  return (wanted, authorization) => {
    if (wanted === 'none') return 'none'
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) throw new CodedError('ERR_UNAUTHORIZED')
    const given = digest(token)
    const isAdmin = timingSafeEqual(given, admin)
    const isReader = read !== null && timingSafeEqual(given, read)
    if (!isAdmin && !isReader) throw new CodedError('ERR_UNAUTHORIZED')
    if (wanted === 'admin' && !isAdmin) throw new CodedError('ERR_FORBIDDEN')
    return isAdmin ? 'admin' : 'read'
  }
}

/** Of one length, so that comparing takes the same time for every token. */
function digest(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}
