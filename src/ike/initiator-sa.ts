/**
 * One IKE SA as the built-in client has it, who is its original initiator unless the gateway made it in a rekeying: keys, the Message IDs of both directions (RFC 7296 §2.2), and what it said last. Guards that
 * no Message ID and no IV is used twice.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, equalBytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { Writer } from '../kit/wire.ts'
import type { IkeSuite } from '../context/session-context.ts'
import type { IkeKeys } from './key-schedule.ts'
import { directionKeys } from './key-schedule.ts'
import { Reassembly } from './reassembly.ts'
import type { IkeHeader } from './wire/header.ts'
import { headerFlag, isFromInitiator, isResponse } from './wire/header.ts'
import type { Fragment } from './wire/fragment.ts'
import type { Message } from './wire/message.ts'
import { openMessage, openWhole, sealDatagrams } from './wire/message.ts'
import type { Payload } from './wire/payloads.ts'

export interface IkeSaValues {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly suite: IkeSuite
  readonly keys: IkeKeys
}

export interface InitiatorSaValues extends IkeSaValues {
  /** The longest IKE message that goes in one datagram, in octets; null: the gateway takes no fragments (RFC 7383). */
  readonly fragmentOctets: number | null
}

export class InitiatorSa {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly suite: IkeSuite
  readonly keys: IkeKeys
  readonly fragmentOctets: number | null
  readonly #crypto: IkeCrypto
  readonly #isInitiator: boolean
  /** The Message ID of our next request, or of the one that is unanswered. */
  #nextRequest: number
  /** The Message ID that the gateway's next request must have. */
  #expectedRequest = 0
  /** A message is named by its first datagram. */
  #lastRequest: Bytes | null = null
  #lastResponse: Bytes | null = null
  /** The datagrams of our request and of our response. */
  readonly #datagrams = new Map<'request' | 'response', readonly Bytes[]>()
  /** What comes in fragments: of the gateway's request, and of its response. */
  readonly #reassembly = new Map<'request' | 'response', { readonly messageId: number; readonly parts: Reassembly }>()
  #ivCount = 0n

  /** `nextRequest`: 1 after IKE_SA_INIT, 0 after a rekeying. `isInitiator`: whether we are its original initiator. */
  constructor(
    crypto: IkeCrypto,
    { initiatorSpi, responderSpi, suite, keys, fragmentOctets }: InitiatorSaValues,
    nextRequest: number,
    isInitiator = true,
  ) {
    this.initiatorSpi = initiatorSpi
    this.responderSpi = responderSpi
    this.suite = suite
    this.keys = keys
    this.fragmentOctets = fragmentOctets
    this.#crypto = crypto
    this.#isInitiator = isInitiator
    this.#nextRequest = nextRequest
  }

  /** Whether a message with this header is the gateway's under this IKE SA. */
  isOf(header: IkeHeader): boolean {
    return (
      header.initiatorSpi === this.initiatorSpi &&
      header.responderSpi === this.responderSpi &&
      isFromInitiator(header) !== this.#isInitiator
    )
  }

  /** A request. Until it is answered it is sent again as it is, and no other is made (§2.3). */
  request(exchange: number, payloads: readonly Payload[]): Bytes {
    return this.#seal('request', exchange, this.#nextRequest, 0, payloads)
  }

  /** All datagrams of the message that begins with this one. */
  datagramsOf(first: Bytes): readonly Bytes[] {
    return [...this.#datagrams.values()].find(([one]) => one === first) ?? [first]
  }

  /** The authentic response to the request that is unanswered, which then is not any more; else null. */
  accept(header: IkeHeader, datagram: Bytes): Message | null {
    if (!isResponse(header) || header.messageId !== this.#nextRequest) return null
    const message = this.#open(datagram)
    if (message !== null) this.#nextRequest++
    return message
  }

  /** The gateway's next request, if it is authentic; else null. One that only looks like a repeated one (another IV) gets nothing, as with strongSwan. */
  expect(header: IkeHeader, datagram: Bytes): Message | null {
    return isResponse(header) || header.messageId !== this.#expectedRequest ? null : this.#open(datagram)
  }

  /** The response to a request that `expect` took. */
  respond({ header }: Message, datagram: Bytes, payloads: readonly Payload[]): Bytes {
    const response = this.#seal('response', header.exchange, header.messageId, headerFlag.response, payloads)
    this.#expectedRequest++
    this.#lastRequest = concat(datagram)
    this.#lastResponse = response
    return response
  }

  /** The response to the gateway's last request, if this is that request again; else null. */
  repeated(datagram: Bytes): Bytes | null {
    return this.#lastRequest !== null && equalBytes(this.#lastRequest, datagram) ? this.#lastResponse : null
  }

  #seal(type: 'request' | 'response', exchange: number, messageId: number, flag: number, payloads: readonly Payload[]): Bytes {
    const nextIv = (): Bytes => new Writer(8).u64(++this.#ivCount).finish()
    const flags = flag | (this.#isInitiator ? headerFlag.initiator : 0)
    const head = { initiatorSpi: this.initiatorSpi, responderSpi: this.responderSpi, exchange, messageId, flags }
    const keys = directionKeys(this.keys, this.#isInitiator)
    const datagrams = sealDatagrams(this.#crypto, this.suite, keys, head, payloads, nextIv, this.fragmentOctets)
    this.#datagrams.set(type, datagrams)
    return datagrams[0]!
  }

  #open(datagram: Bytes): Message | null {
    const opened = openMessage(this.#crypto, this.suite, directionKeys(this.keys, !this.#isInitiator), datagram)
    if (opened.type === 'fragment') return this.#reassemble(opened.fragment)
    return opened.type === 'message' ? opened.message : null
  }

  #reassemble(fragment: Fragment): Message | null {
    const { header } = fragment
    const type = isResponse(header) ? 'response' : 'request'
    const known = this.#reassembly.get(type)
    const entry = known?.messageId === header.messageId ? known : { messageId: header.messageId, parts: new Reassembly() }
    this.#reassembly.set(type, entry)
    const added = entry.parts.add(fragment)
    if (typeof added === 'string') return null
    this.#reassembly.delete(type)
    const whole = openWhole(added)
    return whole.type === 'message' ? whole.message : null
  }
}
