/**
 * AUTH made right for whatever else a hostile client says in IKE_AUTH: it has its own secret, key or password, and may say anything with them. So what
 * is behind the proof is reached, too.
 */

import type { IkeSaContext } from '../../src/context/session-context.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { authOctets, sharedKeyAuth } from '../../src/ike/key-schedule.ts'
import { signingMethod, encodeSignature } from '../../src/ike/signature.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import { authMethod } from '../../src/ike/wire/simple-payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toUtf8 } from '../../src/kit/bytes.ts'
import { decodePublicKey } from '../../src/pki/algorithms.ts'
import type { TestKey } from '../support/pki.ts'
import type { Finish, Part } from './chain.ts'
import { cheapIkeCrypto } from './cheap-crypto.ts'
import type { FuzzGateway } from './sessions.ts'

const own = toUtf8('hello')
const crypto = cheapIkeCrypto(new SeededRandom(9))

/** By the client's pre-shared key, its certificate's `key`, or, at the end of EAP, by the Master Session Key. */
export function prover(gateway: FuzzGateway, key: TestKey | null): Finish {
  const sa = gateway.established.ikeSas[0]!
  return (parts) => {
    const at = parts.findIndex(({ type }) => type === payloadType.auth)
    const octets = signedOctets(gateway, sa, parts)
    if (at < 0 || octets === null) return parts
    return parts.with(at, { ...parts[at]!, body: proofBody(gateway, sa, key, octets) })
  }
}

/** What the client's AUTH covers (RFC 7296 §2.15); null: it says nobody. */
export function signedOctets(gateway: FuzzGateway, sa: IkeSaContext, parts: readonly Part[]): Bytes | null {
  const { halfOpen } = gateway.established
  const idBody = halfOpen?.eap?.idI ?? parts.find(({ type }) => type === payloadType.idI)?.body
  if (halfOpen === null || idBody === undefined) return null
  const side = { message: halfOpen.initRequest, peerNonce: halfOpen.nr, skP: gateway.keysOf(sa).skPi, idBody }
  return authOctets(crypto, sa.suite.prf, side)
}

function proofBody(gateway: FuzzGateway, sa: IkeSaContext, key: TestKey | null, octets: Bytes): Bytes {
  if (key !== null) {
    const signing = signingMethod(decodePublicKey(key.spki)!, new Set(['sha256', 'sha384', 'sha512', 'identity']), false)!
    const { method, data } = encodeSignature(signing, crypto.sign(signing.scheme, key.pkcs8, octets)!)
    return concat(Uint8Array.of(method, 0, 0, 0), data)
  }
  return concat(Uint8Array.of(authMethod.sharedKeyMic, 0, 0, 0), sharedProof(gateway, sa, octets))
}

/** AUTH's data with the shared key, or the Master Session Key. */
export function sharedProof(gateway: FuzzGateway, sa: IkeSaContext, octets: Bytes): Bytes {
  const { eap = null } = gateway.established.halfOpen ?? {}
  const field = `eap/${sa.responderSpi.toString(16).padStart(16, '0')}`
  const secret = eap === null ? own : (gateway.env.sealer.open(field, eap.msk) ?? new Uint8Array(64))
  return sharedKeyAuth(crypto, sa.suite.prf, secret, octets)
}
