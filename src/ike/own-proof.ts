/**
 * How the cluster proves to the client who it is: IDr and AUTH (RFC 7296 §2.15). With EAP that is part of the answer to the client's first
 * request, else of the only one.
 */

import type { HalfOpen } from '../context/session-context.ts'
import type { Parties } from './connection-choice.ts'
import { chooseSecret } from './connection-choice.ts'
import type { Request } from './exchange.ts'
import { authOctets, sharedKeyAuth } from './key-schedule.ts'
import type { Payload } from './wire/payloads.ts'
import { authMethod, identification, identificationBody } from './wire/simple-payloads.ts'

/** The first payloads of the response; null: we have not what it takes. */
export function proveOurselves(request: Request, halfOpen: HalfOpen, parties: Parties): Payload[] | null {
  switch (parties.connection.local.auth) {
    case 'psk':
      return sharedKeyProof(request, halfOpen, parties)
    case 'pubkey':
      return null
  }
}

function sharedKeyProof(request: Request, halfOpen: HalfOpen, { own, client }: Parties): Payload[] | null {
  const { env, sa, keys } = request
  const secret = chooseSecret(env, own, client)
  if (secret === null) return null
  const idR = identification(own)
  const side = { message: halfOpen.initResponse, peerNonce: halfOpen.ni, skP: keys.skPr, idBody: identificationBody(idR) }
  const data = sharedKeyAuth(env.crypto, sa.suite.prf, secret.secret, authOctets(env.crypto, sa.suite.prf, side))
  return [
    { type: 'idR', ...idR },
    { type: 'auth', method: authMethod.sharedKeyMic, data },
  ]
}
