/**
 * IKE_AUTH, as the responder (RFC 7296 §1.2, §2.15, §2.16): who the client says it is, which connection that makes, what proves it.
 *
 *   IDi, [IDr], AUTH ──▶ chooseConnection ──▶ verifyClient ──▶ IDr, [CERT], AUTH ‖ establish
 *   IDi, [IDr] ────────▶ chooseConnection ──▶ IDr, [CERT], AUTH ‖ beginEap; eap/ has the rounds that follow
 *
 * Each side authenticates in its own way: the client as the connection's `remote.auth` says, the cluster as its `local.auth` does. Whatever is
 * wrong with who the client is gets the same answer, AUTHENTICATION_FAILED, and ends the session.
 */

import type { HalfOpen } from '../context/session-context.ts'
import { verifyClient } from './client-proof.ts'
import type { Parties } from './connection-choice.ts'
import { chooseConnection, ownIdentity } from './connection-choice.ts'
import { beginEap, continueEap } from './eap/eap-authentication.ts'
import { establish } from './establish.ts'
import type { Answer, Request } from './exchange.ts'
import { answerFatal } from './exchange.ts'
import { proveOurselves } from './own-proof.ts'
import { notifyType } from './wire/notify.ts'
import { findPayload } from './wire/payloads.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { authMethod } from './wire/simple-payloads.ts'

/** The longest identity that a context keeps. */
const maximumIdentityOctets = 512

export function decideAuth(request: Request, halfOpen: HalfOpen): Answer {
  return halfOpen.eap === null ? decideFirst(request, halfOpen) : continueEap(request, halfOpen, halfOpen.eap)
}

/** The first request of IKE_AUTH; with EAP others follow. */
function decideFirst(request: Request, halfOpen: HalfOpen): Answer {
  const { payloads } = request.message
  const idI = findPayload(payloads, 'idI')
  if (idI === null || idI.identity.data.length > maximumIdentityOctets) return answerFatal(request, notifyType.invalidSyntax)
  const auth = findPayload(payloads, 'auth')
  const parties = chooseParties(request, idI, auth)
  const answer =
    parties === null
      ? null
      : auth === null
        ? challenge(request, halfOpen, parties, idI)
        : authenticate(request, halfOpen, parties, { idI, auth })
  return answer ?? answerFatal(request, notifyType.authenticationFailed)
}

/** Null: no connection is for this client and what it offers as proof. */
function chooseParties({ env, sa, message, path }: Request, idI: Identification, auth: Authentication | null): Parties | null {
  const wanted = findPayload(message.payloads, 'idR')?.identity ?? null
  const client = { type: idI.identity.type, data: idI.identity.data.slice() }
  const proof = auth === null ? 'eap' : auth.method === authMethod.sharedKeyMic ? 'psk' : 'pubkey'
  const connection = chooseConnection(env, { client, wanted, suite: sa.suite, proof })
  return connection === null ? null : { connection, client, own: ownIdentity(connection, wanted, path.local) }
}

/** Without AUTH the client wants EAP (§2.16): we are the first to prove who we are. Null: we can't. */
function challenge(request: Request, halfOpen: HalfOpen, parties: Parties, idI: Identification): Answer | null {
  const proof = proveOurselves(request, halfOpen, parties)
  return proof === null ? null : beginEap(request, halfOpen, parties, { idI, proof })
}

/** One round: both sides prove who they are, and the session is up. Null: we can't. */
function authenticate(
  request: Request,
  halfOpen: HalfOpen,
  parties: Parties,
  claim: { readonly idI: Identification; readonly auth: Authentication },
): Answer | null {
  const client = verifyClient(request, halfOpen, parties, claim)
  if (typeof client === 'string') return { ...answerFatal(request, notifyType.authenticationFailed), problem: client }
  const proof = proveOurselves(request, halfOpen, parties)
  if (proof === null) return null
  const established = establish(request, halfOpen, client, request.message.payloads)
  // Who is turned away at the last step is told nothing but that.
  return established.context?.phase === 'established' ? { ...established, payloads: [...proof, ...established.payloads] } : established
}
