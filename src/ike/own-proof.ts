/**
 * How the cluster proves to the client who it is: IDr, the certificates and AUTH (RFC 7296 §2.15). With EAP that is part of the answer to the
 * client's first request, else of the only one.
 *
 * The certificates are sent whether the client asks for them or not: not every client that wants them does.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { SignatureScheme } from '../kit/signatures.ts'
import { secretField } from '../context/sealed-parts.ts'
import type { HalfOpen } from '../context/session-context.ts'
import { ownCertificates } from './certificates.ts'
import type { Parties } from './connection-choice.ts'
import { chooseSecret } from './connection-choice.ts'
import type { IkeEnvironment } from './decision.ts'
import type { Request } from './exchange.ts'
import { authOctets, sharedKeyAuth } from './key-schedule.ts'
import { announcedHashes, encodeSignature, signingMethod } from './signature.ts'
import { certificateEncoding } from './wire/certificates.ts'
import { decodeMessage } from './wire/message.ts'
import type { Payload } from './wire/payloads.ts'
import type { Identification } from './wire/simple-payloads.ts'
import { authMethod, identification, identificationBody } from './wire/simple-payloads.ts'

/** The first payloads of the response; null: we have not what it takes. */
export function proveOurselves(request: Request, halfOpen: HalfOpen, parties: Parties): Payload[] | null {
  const idR = identification(parties.own)
  const octets = signedOctets(request, halfOpen, idR)
  const { auth } = parties.connection.local
  const proof = auth === 'psk' ? sharedKeyProof(request, parties, octets) : certificateProof(request, halfOpen, parties, octets)
  return proof === null ? null : [{ type: 'idR', ...idR }, ...proof]
}

/** What our AUTH covers. */
function signedOctets({ env, sa, keys }: Request, halfOpen: HalfOpen, idR: Identification): Bytes {
  const side = { message: halfOpen.initResponse, peerNonce: halfOpen.ni, skP: keys.skPr, idBody: identificationBody(idR) }
  return authOctets(env.crypto, sa.suite.prf, side)
}

function sharedKeyProof({ env, sa }: Request, { own, client }: Parties, octets: Bytes): Payload[] | null {
  const secret = chooseSecret(env, own, client)
  if (secret === null) return null
  return [{ type: 'auth', method: authMethod.sharedKeyMic, data: sharedKeyAuth(env.crypto, sa.suite.prf, secret.secret, octets) }]
}

/** By the first of our certificates whose key can sign in a way that the client takes. */
function certificateProof({ env, message }: Request, halfOpen: HalfOpen, { connection }: Parties, octets: Bytes): Payload[] | null {
  const { auth, certs } = connection.local
  const announced = announcedHashes(decodeMessage(halfOpen.initRequest).payloads)
  for (const { own, key } of ownCertificates(env, certs, message.payloads)) {
    const signing = signingMethod(key, announced, auth === 'rsa/pss')
    const signature = signing === null ? null : signWith(env, own.secret, signing.scheme, octets)
    if (signing === null || signature === null) continue
    const certificates = own.chain.map((data): Payload => ({ type: 'cert', encoding: certificateEncoding.x509Signature, data }))
    return [...certificates, { type: 'auth', ...encodeSignature(signing, signature) }]
  }
  return null
}

/** Null: there is no such key, or it does not open. */
function signWith({ crypto, sealer, vpn }: IkeEnvironment, secret: string, scheme: SignatureScheme, octets: Bytes): Bytes | null {
  const sealed = vpn.secrets.find(({ name }) => name === secret)
  const key = sealed === undefined ? null : sealer.open(secretField(secret), sealed.secret)
  return key === null ? null : crypto.sign(scheme, key, octets)
}
