/**
 * The built-in client's IKEv2 (RFC 7296), without I/O and without timers: `start` makes the first request, `handle` takes what arrives, and
 * the caller sends `pending` again, as it is, until it is answered (§2.1).
 *
 * It does what the demo, the simulator and the tests need of a client: IKE_SA_INIT with cookie and another group, IKE_AUTH with a pre-shared
 * key and an address, liveness checks, DELETE, and answers to the gateway's requests.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, dataView, emptyBytes, equalBytes, equalConstantTime } from '../kit/bytes.ts'
import type { IkeCrypto, KeyExchange } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import { DecodeError, Writer } from '../kit/wire.ts'
import { assert } from '../kit/assert.ts'
import { equalIdentity } from '../context/identity.ts'
import type { Endpoint, Identity, IkeSuite, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import type { GrantedChild } from './initiator-messages.ts'
import { authPayloads, chosenIkeSuite, errorNotify, grantedChild, initPayloads } from './initiator-messages.ts'
import type { IkeKeys } from './key-schedule.ts'
import { authOctets, deriveChildKeys, deriveIkeKeys, directionKeys, sharedKeyAuth } from './key-schedule.ts'
import { natDetectionHash } from './nat-detection.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, isFromInitiator, isResponse, peekHeader } from './wire/header.ts'
import type { Message } from './wire/message.ts'
import { decodeMessage, encodeMessage, openMessage, sealMessage } from './wire/message.ts'
import type { Delete } from './wire/notify.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'
import { authMethod, identification, identificationBody } from './wire/simple-payloads.ts'

export interface InitiatorOptions {
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly identity: Identity
  /** The identity that the gateway must have; null: any that knows the secret. */
  readonly remoteIdentity: Identity | null
  readonly secret: Bytes
  readonly ikeProposals: readonly IkeProposal[]
  readonly espProposals: readonly EspProposal[]
  /** The traffic wanted behind the gateway. */
  readonly remoteTs: readonly TrafficSelector[]
  readonly ipv6: boolean
  readonly local: Endpoint
  readonly remote: Endpoint
  /** The SPI that we receive ESP with. */
  readonly spiIn: number
}

/** A tunnel that is up. */
export interface Established extends GrantedChild {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly ikeSuite: IkeSuite
  readonly remoteIdentity: Identity
  readonly spiIn: number
  readonly keyIn: Bytes
  readonly keyOut: Bytes
  /** Whether ESP goes in UDP on port 4500 (§2.23): the gateway always makes it so. */
  readonly encapsulate: boolean
}

export type InitiatorEvent =
  | { readonly type: 'established'; readonly tunnel: Established }
  /** `notify`: the gateway's error notification, or null when its answer was not acceptable. */
  | { readonly type: 'failed'; readonly notify: number | null; readonly problem: string }
  /** Our liveness check was answered. */
  | { readonly type: 'alive' }
  /** The gateway deleted our Child SA, the IKE SA stays. */
  | { readonly type: 'child-deleted' }
  /** The IKE SA is gone: deleted by the gateway, or by us and confirmed. */
  | { readonly type: 'closed' }

export interface InitiatorOutput {
  /** To be sent at once, or null. */
  readonly send: Bytes | null
  readonly event: InitiatorEvent | null
}

const nothing: InitiatorOutput = { send: null, event: null }

/** The gateway may ask for another group or a cookie so often, and no more. */
const maximumInitAttempts = 5

interface InitPhase {
  readonly type: 'init'
  readonly request: Bytes
  readonly keyExchange: KeyExchange
  readonly group: number
  readonly cookie: Bytes | null
  readonly attempts: number
}

interface Sa {
  readonly responderSpi: bigint
  readonly suite: IkeSuite
  readonly keys: IkeKeys
}

interface AuthPhase extends Sa {
  readonly type: 'auth'
  readonly nr: Bytes
  readonly initResponse: Bytes
  readonly encapsulate: boolean
}

interface OpenPhase extends Sa {
  readonly type: 'established'
  readonly tunnel: Established
  readonly deleting: boolean
}

type Phase = { readonly type: 'idle' } | { readonly type: 'closed' } | InitPhase | AuthPhase | OpenPhase

/** One attempt at a session, from IKE_SA_INIT to its end. Guards that no Message ID and no IV is used twice. */
export class IkeInitiator {
  readonly initiatorSpi: bigint
  #options: InitiatorOptions
  #ni: Bytes
  #phase: Phase = { type: 'idle' }
  /** The Message ID of our next request. */
  #nextRequest = 0
  /** The Message ID that the gateway's next request must have. */
  #expectedRequest = 0
  #lastRequest: Bytes | null = null
  #lastResponse: Bytes | null = null
  #pending: Bytes | null = null
  #ivCount = 0n

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.initiatorSpi = dataView(options.random.bytes(8)).getBigUint64(0) || 1n
    this.#ni = options.random.bytes(32)
  }

  /** The request that is unanswered: to be sent again, octet for octet; null when there is none. */
  get pending(): Bytes | null {
    return this.#pending
  }

  get phase(): Phase['type'] {
    return this.#phase.type
  }

  /** The IKE_SA_INIT request. */
  start(): Bytes {
    assert(this.#phase.type === 'idle', `start in phase ${this.#phase.type}`)
    const group = this.#options.ikeProposals[0]?.ke[0]
    assert(group !== undefined, 'the first IKE proposal names no group')
    return this.#sendInit({ keyExchange: this.#options.crypto.keyExchange(group), group, cookie: null, attempts: 1 })
  }

  /** An empty INFORMATIONAL request; null when another request is unanswered or no tunnel is up. */
  checkLiveness(): Bytes | null {
    return this.#phase.type === 'established' && this.#pending === null ? this.#request(this.#phase, exchangeType.informational, []) : null
  }

  /** DELETE of the IKE SA; null when another request is unanswered or no tunnel is up. */
  close(): Bytes | null {
    if (this.#phase.type !== 'established' || this.#pending !== null) return null
    this.#phase = { ...this.#phase, deleting: true }
    return this.#request(this.#phase, exchangeType.informational, [{ type: 'delete', protocol: protocolId.ike, spiSize: 0, spis: [] }])
  }

  /** Takes a datagram, without the non-ESP marker. What is not for us, or not authentic, changes nothing. */
  handle(datagram: Bytes): InitiatorOutput {
    const header = peekHeader(datagram)
    if (header === null || header.length !== datagram.length) return nothing
    if (header.initiatorSpi !== this.initiatorSpi || isFromInitiator(header)) return nothing
    const phase = this.#phase
    if (phase.type === 'init') return this.#handleInit(phase, header, datagram)
    // Also after the end: the gateway repeats its DELETE until it has our answer.
    if (this.#lastRequest !== null && equalBytes(this.#lastRequest, datagram)) return { send: this.#lastResponse, event: null }
    if (phase.type === 'idle' || phase.type === 'closed' || header.responderSpi !== phase.responderSpi) return nothing
    return isResponse(header) ? this.#handleResponse(phase, header, datagram) : this.#handleRequest(phase, header, datagram)
  }

  #fail(notify: number | null, problem: string): InitiatorOutput {
    this.#phase = { type: 'closed' }
    this.#pending = null
    return { send: null, event: { type: 'failed', notify, problem } }
  }

  #sendInit(values: Pick<InitPhase, 'keyExchange' | 'group' | 'cookie' | 'attempts'>): Bytes {
    const { crypto, ikeProposals, local, remote } = this.#options
    const { keyExchange, group, cookie } = values
    const { initiatorSpi } = this
    const request = encodeMessage(
      { initiatorSpi, responderSpi: 0n, exchange: exchangeType.ikeSaInit, flags: headerFlag.initiator, messageId: 0 },
      initPayloads({
        crypto,
        initiatorSpi,
        proposals: ikeProposals,
        group,
        publicValue: keyExchange.publicValue,
        ni: this.#ni,
        cookie,
        local,
        remote,
      }),
    )
    this.#phase = { type: 'init', request, ...values }
    this.#pending = request
    return request
  }

  #handleInit(phase: InitPhase, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (header.exchange !== exchangeType.ikeSaInit || !isResponse(header) || header.messageId !== 0) return nothing
    const message = tryDecode(datagram)
    if (message === null) return nothing
    const cookie = findNotify(message.payloads, notifyType.cookie)
    const otherGroup = findNotify(message.payloads, notifyType.invalidKePayload)
    if (cookie !== null) return this.#retryInit({ ...phase, cookie: cookie.data.slice() })
    if (otherGroup !== null) return this.#retryWithGroup(phase, otherGroup.data)
    const error = errorNotify(message.payloads)
    return error === null ? this.#acceptInit(phase, message, datagram) : this.#fail(error, 'IKE_SA_INIT was refused')
  }

  #retryInit(phase: InitPhase): InitiatorOutput {
    if (phase.attempts >= maximumInitAttempts) return this.#fail(null, `IKE_SA_INIT was sent back ${phase.attempts} times`)
    const { keyExchange, group, cookie } = phase
    return { send: this.#sendInit({ keyExchange, group, cookie, attempts: phase.attempts + 1 }), event: null }
  }

  /** Only a group that we offered: else an attacker could choose a weak one for us (§2.7). */
  #retryWithGroup(phase: InitPhase, data: Bytes): InitiatorOutput {
    const group = data.length === 2 ? dataView(data).getUint16(0) : 0
    const offered = this.#options.ikeProposals.some((proposal) => proposal.ke.includes(group))
    if (!offered || group === phase.group) return this.#fail(notifyType.invalidKePayload, `the gateway wants group ${group}`)
    return this.#retryInit({ ...phase, group, keyExchange: this.#options.crypto.keyExchange(group) })
  }

  #acceptInit(phase: InitPhase, message: Message, datagram: Bytes): InitiatorOutput {
    const { crypto, ikeProposals } = this.#options
    const sa = findPayload(message.payloads, 'sa')
    const ke = findPayload(message.payloads, 'ke')
    const nr = findPayload(message.payloads, 'nonce')?.nonce.slice()
    const { responderSpi } = message.header
    if (sa === null || ke === null || nr === undefined || responderSpi === 0n) return nothing
    const suite = chosenIkeSuite(crypto, sa.proposals, ikeProposals)
    if (suite === null || suite.ke !== phase.group || ke.group !== phase.group)
      return this.#fail(null, 'the gateway chose what was not offered')
    const sharedSecret = phase.keyExchange.sharedSecret(ke.publicValue)
    if (sharedSecret === null || nr.length < 16) return this.#fail(null, "the gateway's public value or nonce is not acceptable")
    const { initiatorSpi } = this
    const keys = deriveIkeKeys(crypto, suite, sharedSecret, { ni: this.#ni, nr, initiatorSpi, responderSpi })
    const auth: AuthPhase = {
      type: 'auth',
      responderSpi,
      suite,
      keys,
      nr,
      initResponse: datagram.slice(),
      encapsulate: this.#needsEncapsulation(responderSpi, message.payloads),
    }
    return this.#sendAuth(auth, phase.request)
  }

  /** Whether either of the gateway's hashes differs from what we see (§2.23). */
  #needsEncapsulation(responderSpi: bigint, payloads: readonly Payload[]): boolean {
    const { crypto, local, remote } = this.#options
    const matches = (notify: number, endpoint: Endpoint): boolean => {
      const sent = findNotify(payloads, notify)
      return sent !== null && equalBytes(sent.data, natDetectionHash(crypto, { initiatorSpi: this.initiatorSpi, responderSpi }, endpoint))
    }
    return !matches(notifyType.natDetectionSourceIp, remote) || !matches(notifyType.natDetectionDestinationIp, local)
  }

  #sendAuth(phase: AuthPhase, initRequest: Bytes): InitiatorOutput {
    const { crypto, identity, remoteIdentity, secret, espProposals, spiIn, remoteTs, ipv6 } = this.#options
    const { prf } = phase.suite
    const idBody = identificationBody(identification(identity))
    const octets = authOctets(crypto, prf, { message: initRequest, peerNonce: phase.nr, skP: phase.keys.skPi, idBody })
    const auth = sharedKeyAuth(crypto, prf, secret, octets)
    const payloads = authPayloads({ identity, wanted: remoteIdentity, auth, espProposals, spiIn, remoteTs, ipv6 })
    this.#phase = phase
    this.#nextRequest = 1
    return { send: this.#request(phase, exchangeType.ikeAuth, payloads), event: null }
  }

  #request(sa: Sa, exchange: number, payloads: readonly Payload[]): Bytes {
    const datagram = this.#seal(sa, exchange, this.#nextRequest, headerFlag.initiator, payloads)
    this.#pending = datagram
    return datagram
  }

  #seal(sa: Sa, exchange: number, messageId: number, flags: number, payloads: readonly Payload[]): Bytes {
    const iv = new Writer(8).u64(++this.#ivCount).finish()
    const head = { initiatorSpi: this.initiatorSpi, responderSpi: sa.responderSpi, exchange, messageId, flags }
    return sealMessage(this.#options.crypto, sa.suite, directionKeys(sa.keys, true), head, payloads, iv)
  }

  #open(sa: Sa, datagram: Bytes): Message | null {
    const opened = openMessage(this.#options.crypto, sa.suite, directionKeys(sa.keys, false), datagram)
    return opened.type === 'message' ? opened.message : null
  }

  #handleResponse(phase: AuthPhase | OpenPhase, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (this.#pending === null || header.messageId !== this.#nextRequest) return nothing
    const message = this.#open(phase, datagram)
    if (message === null) return nothing
    this.#pending = null
    this.#nextRequest++
    if (phase.type === 'auth') return this.#acceptAuth(phase, message)
    if (!phase.deleting) return { send: null, event: { type: 'alive' } }
    this.#phase = { type: 'closed' }
    return { send: null, event: { type: 'closed' } }
  }

  #acceptAuth(phase: AuthPhase, message: Message): InitiatorOutput {
    const error = errorNotify(message.payloads)
    const remoteIdentity = this.#authenticatedIdentity(phase, message.payloads)
    if (remoteIdentity === null) return this.#fail(error, error === null ? 'the gateway is not who it should be' : 'IKE_AUTH was refused')
    const child = grantedChild(this.#options.crypto, message.payloads, this.#options.espProposals)
    if (child === null) return this.#fail(error, 'the gateway granted no Child SA')
    const tunnel = this.#tunnel(phase, remoteIdentity, child)
    const { responderSpi, suite, keys } = phase
    this.#phase = { type: 'established', responderSpi, suite, keys, tunnel, deleting: false }
    return { send: null, event: { type: 'established', tunnel } }
  }

  /** Who the gateway proved to be, or null. */
  #authenticatedIdentity(phase: AuthPhase, payloads: readonly Payload[]): Identity | null {
    const { crypto, secret, remoteIdentity } = this.#options
    const idR = findPayload(payloads, 'idR')
    const auth = findPayload(payloads, 'auth')
    if (idR === null || auth === null || auth.method !== authMethod.sharedKeyMic) return null
    if (remoteIdentity !== null && !equalIdentity(remoteIdentity, idR.identity)) return null
    const side = { message: phase.initResponse, peerNonce: this.#ni, skP: phase.keys.skPr, idBody: identificationBody(idR) }
    const expected = sharedKeyAuth(crypto, phase.suite.prf, secret, authOctets(crypto, phase.suite.prf, side))
    if (!equalConstantTime(expected, auth.data)) return null
    return { type: idR.identity.type, data: idR.identity.data.slice() }
  }

  #tunnel(phase: AuthPhase, remoteIdentity: Identity, child: GrantedChild): Established {
    const { crypto, spiIn } = this.#options
    const values = { ni: this.#ni, nr: phase.nr, sharedSecret: emptyBytes }
    const keymat = deriveChildKeys(crypto, phase.suite.prf, phase.keys.skD, child.suite, values)
    return {
      ...child,
      initiatorSpi: this.initiatorSpi,
      responderSpi: phase.responderSpi,
      ikeSuite: phase.suite,
      remoteIdentity,
      spiIn,
      keyIn: keymat.responderToInitiator,
      keyOut: keymat.initiatorToResponder,
      encapsulate: phase.encapsulate,
    }
  }

  /** A repeated request got the same octets again before this; one that only looks like it (another IV) gets nothing, as with strongSwan. */
  #handleRequest(phase: AuthPhase | OpenPhase, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (phase.type === 'auth' || header.messageId !== this.#expectedRequest) return nothing
    const message = this.#open(phase, datagram)
    return message === null ? nothing : this.#answer(phase, message, datagram)
  }

  #answer(phase: OpenPhase, message: Message, datagram: Bytes): InitiatorOutput {
    const { payloads, event } = this.#decideAnswer(phase, message)
    const { exchange, messageId } = message.header
    const response = this.#seal(phase, exchange, messageId, headerFlag.initiator | headerFlag.response, payloads)
    this.#expectedRequest++
    this.#lastRequest = concat(datagram)
    this.#lastResponse = response
    if (event?.type === 'closed') {
      this.#phase = { type: 'closed' }
      this.#pending = null
    }
    return { send: response, event }
  }

  #decideAnswer(phase: OpenPhase, message: Message): { payloads: readonly Payload[]; event: InitiatorEvent | null } {
    const { payloads, header } = message
    if (header.exchange === exchangeType.createChildSa) return { payloads: [notification(notifyType.noAdditionalSas)], event: null }
    if (header.exchange !== exchangeType.informational) return { payloads: [notification(notifyType.invalidSyntax)], event: null }
    const deletions = payloads.filter((payload) => payload.type === 'delete')
    if (deletions.some((payload) => payload.protocol === protocolId.ike)) return { payloads: [], event: { type: 'closed' } }
    if (!deletions.some((payload) => deletesChild(payload, phase.tunnel.spiOut))) return { payloads: [], event: null }
    const spis = [new Writer(4).u32(phase.tunnel.spiIn).finish()]
    return { payloads: [{ type: 'delete', protocol: protocolId.esp, spiSize: 4, spis }], event: { type: 'child-deleted' } }
  }
}

function deletesChild(payload: Delete, spiOut: number): boolean {
  if (payload.protocol !== protocolId.esp || payload.spiSize !== 4) return false
  return payload.spis.some((spi) => dataView(spi).getUint32(0) === spiOut)
}

function tryDecode(datagram: Bytes): Message | null {
  try {
    return decodeMessage(datagram)
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
