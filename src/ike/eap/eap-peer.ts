/**
 * The built-in client's side of EAP (RFC 3748): it says who it is, and answers EAP-MSCHAPv2's challenges. One instance is one login.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { equalConstantTime, toUtf8 } from '../../kit/bytes.ts'
import type { IkeCrypto } from '../../kit/ike-crypto.ts'
import type { Random } from '../../kit/random.ts'
import { Reader, decodedOrNull } from '../../kit/wire.ts'
import type { EapPacket } from '../wire/eap.ts'
import { eapCode, eapType } from '../wire/eap.ts'
import type { MsChapV2Packet } from '../wire/eap-mschapv2.ts'
import { challengeOctets, msChapV2, opCode, parseFailureMessage } from '../wire/eap-mschapv2.ts'
import { authenticatorResponse, masterSessionKey, ntResponse, withoutDomain } from './mschapv2.ts'

export interface EapCredentials {
  /** The user, perhaps with a domain in front: `EXAMPLE\alice`. */
  readonly user: string
  /** NT hashes of passwords: the second is tried when the first was wrong and the gateway lets us try again, and so on. */
  readonly ntHashes: readonly Bytes[]
}

export type EapOutcome =
  | { readonly type: 'respond'; readonly packet: EapPacket }
  /** Both sides know the password. */
  | { readonly type: 'succeeded'; readonly msk: Bytes }
  | { readonly type: 'failed'; readonly problem: string }

/** What a response of ours was made with: the server's proof has to be made with the same. */
interface Attempt {
  readonly proof: string
  readonly msk: Bytes
}

export class EapPeer {
  readonly #crypto: IkeCrypto
  readonly #random: Random
  readonly #name: Bytes
  readonly #ntHashes: readonly Bytes[]
  #attempts = 0
  #attempt: Attempt | null = null
  /** Once the server has proved that it knows the password. */
  #msk: Bytes | null = null

  constructor(crypto: IkeCrypto, random: Random, { user, ntHashes }: EapCredentials) {
    this.#crypto = crypto
    this.#random = random
    this.#name = toUtf8(user)
    this.#ntHashes = ntHashes
  }

  take(packet: EapPacket): EapOutcome {
    if (packet.code === eapCode.success)
      return this.#msk === null ? failed('EAP success came early') : { type: 'succeeded', msk: this.#msk }
    if (packet.code !== eapCode.request) return failed('EAP failed')
    if (packet.eapType === eapType.identity) return respond(packet, eapType.identity, this.#name)
    if (packet.eapType !== eapType.msChapV2) return respond(packet, eapType.nak, Uint8Array.of(eapType.msChapV2))
    const request = decodedOrNull((octets) => msChapV2.decode(new Reader('MSCHAPv2', octets)), packet.data)
    const response = request === null ? null : this.#answer(request)
    return response === null
      ? failed('the gateway does not know the password')
      : respond(packet, eapType.msChapV2, msChapV2.encode(response))
  }

  /** Null: it is not acceptable. */
  #answer(request: MsChapV2Packet): MsChapV2Packet | null {
    switch (request.type) {
      case 'challenge':
        return this.#respondTo(request.id, request.challenge)
      case 'success': {
        const { proof, msk } = this.#attempt ?? {}
        if (proof === undefined || msk === undefined) return null
        if (!equalConstantTime(request.message.subarray(0, proof.length), toUtf8(proof))) return null
        this.#msk = msk
        return { type: 'acknowledgement', opCode: opCode.success }
      }
      case 'failure': {
        const failure = parseFailureMessage(request.message)
        const again = failure?.mayRetry === true ? this.#respondTo(request.id, failure.challenge) : null
        return again ?? { type: 'acknowledgement', opCode: opCode.failure }
      }
      default:
        return null
    }
  }

  /** Null: there is no password left to try. */
  #respondTo(id: number, authenticatorChallenge: Bytes): MsChapV2Packet | null {
    const hash = this.#ntHashes[this.#attempts++]
    if (hash === undefined) return null
    const peerChallenge = this.#random.bytes(challengeOctets)
    const values = { authenticatorChallenge, peerChallenge, userName: withoutDomain(this.#name) }
    const response = ntResponse(this.#crypto, hash, values)
    this.#attempt = {
      proof: authenticatorResponse(this.#crypto, hash, values, response),
      msk: masterSessionKey(this.#crypto, hash, response),
    }
    return { type: 'response', id, peerChallenge, ntResponse: response, name: this.#name }
  }
}

function failed(problem: string): EapOutcome {
  return { type: 'failed', problem }
}

function respond({ identifier }: EapPacket, type: number, data: Bytes): EapOutcome {
  return { type: 'respond', packet: { code: eapCode.response, identifier, eapType: type, data } }
}
