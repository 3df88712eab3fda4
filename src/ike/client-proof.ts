/**
 * Whether the client is who it says (RFC 7296 §2.15), in the way that its connection asks for.
 */

import { equalConstantTime } from '../kit/bytes.ts'
import type { HalfOpen } from '../context/session-context.ts'
import type { Parties } from './connection-choice.ts'
import { chooseSecret } from './connection-choice.ts'
import type { AuthenticatedClient } from './establish.ts'
import type { Request } from './exchange.ts'
import { authOctets, sharedKeyAuth } from './key-schedule.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { identificationBody } from './wire/simple-payloads.ts'

/** What the client sends about itself. */
export interface Claim {
  readonly idI: Identification
  readonly auth: Authentication
}

/** Null: it did not prove it. */
export function verifyClient(request: Request, halfOpen: HalfOpen, parties: Parties, claim: Claim): AuthenticatedClient | null {
  switch (parties.connection.remote.auth) {
    case 'psk':
      return verifySharedKey(request, halfOpen, parties, claim)
    case 'pubkey':
      return null
  }
}

function verifySharedKey(request: Request, halfOpen: HalfOpen, parties: Parties, { idI, auth }: Claim): AuthenticatedClient | null {
  const { env, sa, keys } = request
  const { connection, client, own } = parties
  const secret = chooseSecret(env, own, client)
  if (secret === null) return null
  const side = { message: halfOpen.initRequest, peerNonce: halfOpen.nr, skP: keys.skPi, idBody: identificationBody(idI) }
  const expected = sharedKeyAuth(env.crypto, sa.suite.prf, secret.secret, authOctets(env.crypto, sa.suite.prf, side))
  return equalConstantTime(expected, auth.data) ? { connection, identity: client, personal: secret.personal } : null
}
