/**
 * The built-in client's IKEv2 (RFC 7296), without I/O and without timers: `start` makes the first request, `handle` takes what arrives, and
 * the caller sends `pending` again, as it is, until it is answered (§2.1).
 *
 * It does what the demo, the simulator and the tests need of a client: IKE_SA_INIT with cookie and another group, IKE_AUTH with a pre-shared
 * key, certificates or EAP-MSCHAPv2 and an address, liveness checks, further Child SAs, rekeying of Child SAs and of the IKE SA, DELETE, and answers to the gateway's
 * requests. The way to the session is initiator-handshake.ts, the session initiator-session.ts.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { Path } from './decision.ts'
import { InitiatorHandshake } from './initiator-handshake.ts'
import type { ChildRequest, InitiatorOptions, InitiatorOutput } from './initiator-options.ts'
import { nothing } from './initiator-options.ts'
import type { ClientChild } from './initiator-rekey.ts'
import { InitiatorSession } from './initiator-session.ts'
import { peekHeader } from './wire/header.ts'
import type { Payload } from './wire/payloads.ts'

export type { ChildRequest, Established, InitiatorEvent, InitiatorOptions, InitiatorOutput } from './initiator-options.ts'

/** One attempt at a session, from IKE_SA_INIT to its end. Guards that no Message ID and no IV is used twice. */
export class IkeInitiator {
  readonly #options: InitiatorOptions
  readonly #handshake: InitiatorHandshake
  #session: InitiatorSession | null = null

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.#handshake = new InitiatorHandshake(options)
  }

  get initiatorSpi(): bigint {
    return this.#handshake.initiatorSpi
  }

  /** The request that is unanswered: to be sent again, octet for octet (all of `datagramsOf`); null when there is none. */
  get pending(): Bytes | null {
    return this.#stage.pending
  }

  /** All datagrams of a message of ours that begins with this one: several, if it is long (RFC 7383). */
  datagramsOf(first: Bytes): readonly Bytes[] {
    return this.#stage.datagramsOf(first)
  }

  get phase(): InitiatorHandshake['phase'] | 'established' {
    if (this.#session === null) return this.#handshake.phase
    return this.#session.isOpen ? 'established' : 'closed'
  }

  get #stage(): InitiatorHandshake | InitiatorSession {
    return this.#session ?? this.#handshake
  }

  /** The IKE_SA_INIT request. */
  start(): Bytes {
    return this.#handshake.start()
  }

  /** Takes a datagram, without the non-ESP marker. What is not for us, or not authentic, changes nothing. */
  handle(datagram: Bytes): InitiatorOutput {
    const header = peekHeader(datagram)
    if (header === null || header.length !== datagram.length) return nothing
    const output = this.#stage.handle(header, datagram)
    const { opened } = this.#handshake
    if (opened !== null) this.#session ??= new InitiatorSession(this.#options, opened)
    return output
  }

  /** The Child SAs that there are, the oldest first. */
  get children(): readonly ClientChild[] {
    return this.#session?.children ?? []
  }

  // Each of these returns its request, to be sent at once; or null when another request is unanswered or no tunnel is up.

  /** An empty INFORMATIONAL request. */
  checkLiveness(): Bytes | null {
    return this.#session?.checkLiveness() ?? null
  }

  /** UPDATE_SA_ADDRESSES: we are at `path.local` now. Null also without MOBIKE. */
  move(path: Path): Bytes | null {
    return this.#session?.move(path) ?? null
  }

  /** An INFORMATIONAL request with these payloads, such as MOBIKE's (RFC 4555). */
  inform(payloads: readonly Payload[]): Bytes | null {
    return this.#session?.inform(payloads) ?? null
  }

  /** DELETE of the Child SA that we receive by with this SPI; null also when there is none. */
  deleteChild(spiIn: number): Bytes | null {
    return this.#session?.deleteChild(spiIn) ?? null
  }

  /** DELETE of the IKE SA. */
  close(): Bytes | null {
    return this.#session?.close() ?? null
  }

  /** CREATE_CHILD_SA for a further Child SA, with the selectors of the first. */
  createChild(request: ChildRequest): Bytes | null {
    return this.#session?.createChild(request) ?? null
  }

  /** CREATE_CHILD_SA that rekeys the Child SA that we receive by with this SPI; null also when there is none. */
  rekeyChild(spiIn: number, request: ChildRequest): Bytes | null {
    return this.#session?.rekeyChild(spiIn, request) ?? null
  }

  /** CREATE_CHILD_SA that rekeys the IKE SA. */
  rekeyIke(): Bytes | null {
    return this.#session?.rekeyIke() ?? null
  }
}
