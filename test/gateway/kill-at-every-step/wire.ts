/**
 * Everything that anybody ever sent, lost or not: whether one IKE SA, direction and Message ID had two different contents (S3), and whether an
 * initialization vector came twice under one key (S1).
 */

import type { IkeHeader } from '../../../src/ike/wire/header.ts'
import { exchangeType, isFromInitiator, isResponse, peekHeader } from '../../../src/ike/wire/header.ts'
import { payloadType } from '../../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { toHex } from '../../../src/kit/bytes.ts'

/** Header, and the Encrypted payload's generic header; an Encrypted Fragment has four more (RFC 7383 §2.5). */
const IV_AT = 32
const FRAGMENT_OCTETS = 4
/** Of an IV of AES-CBC, the first half. */
const IV_OCTETS = 8

export class Wire {
  readonly violations: string[] = []
  /** IKE_SA_INIT requests that were sent back: with a cookie, or for another group. */
  sentBackCount = 0
  readonly #contents = new Map<string, string>()
  readonly #vectors = new Map<string, string>()

  note(sender: string, datagram: Bytes): void {
    const header = peekHeader(datagram)
    if (header === null) {
      this.violations.push(`${sender} sent ${datagram.length} octets that are no IKE message`)
      return
    }
    if (isResponse(header) && header.responderSpi === 0n) this.sentBackCount += 1
    const isFragment = header.nextPayload === payloadType.encryptedFragment
    const fragment = isFragment ? `fragment ${toHex(datagram.subarray(IV_AT, IV_AT + 2))}` : ''
    const content = toHex(datagram)
    const key = contentKey(header)
    if (key !== null) this.#once(this.#contents, `${key} ${fragment}`, content, `S3: ${sender} said something else`)
    if (header.nextPayload !== payloadType.encrypted && !isFragment) return
    const at = isFragment ? IV_AT + FRAGMENT_OCTETS : IV_AT
    const vector = toHex(datagram.subarray(at, at + IV_OCTETS))
    const keys = `${header.initiatorSpi} ${header.responderSpi} ${isFromInitiator(header) ? 'i' : 'r'}`
    this.#once(this.#vectors, `${keys} ${vector}`, content, `S1: ${sender} used a vector again`)
  }

  #once(seen: Map<string, string>, key: string, content: string, problem: string): void {
    const first = seen.get(key)
    if (first === undefined) seen.set(key, content)
    else if (first !== content) this.violations.push(`${problem}: ${key}`)
  }
}

/**
 * Null: what may be said in several ways, for nobody remembers it: an IKE_SA_INIT request that was sent back, and what sent it back (its
 * responder SPI is 0, RFC 7296 §2.6).
 */
function contentKey(header: IkeHeader): string | null {
  const { initiatorSpi, responderSpi, exchange, messageId } = header
  if (responderSpi === 0n) return null
  const direction = `${isFromInitiator(header) ? 'i' : 'r'} ${isResponse(header) ? 'response' : 'request'}`
  return `${initiatorSpi} ${exchange === exchangeType.ikeSaInit ? '' : responderSpi} ${direction} ${messageId}`
}
