/**
 * The built-in client's way to a session: IKE_SA_INIT with cookie and another group (RFC 7296 §2.6, §2.7), then IKE_AUTH with a pre-shared key, certificates
 * or EAP-MSCHAPv2 (§2.15, §2.16).
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes, equalBytes } from '../kit/bytes.ts'
import type { KeyExchange } from '../kit/ike-crypto.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { assert } from '../kit/assert.ts'
import { equalIdentity } from '../context/identity.ts'
import type { EapCredentials } from './eap/eap-peer.ts'
import { EapPeer } from './eap/eap-peer.ts'
import type { Endpoint, Identity } from '../context/session-context.ts'
import type { GrantedChild } from './initiator-messages.ts'
import { authPayloads, chosenIkeSuite, errorNotify, grantedChild, initPayloads } from './initiator-messages.ts'
import type { Established, InitiatorOptions, InitiatorOutput } from './initiator-options.ts'
import { nothing } from './initiator-options.ts'
import { clientProof, isGatewayProved, signs } from './initiator-proof.ts'
import { InitiatorSa } from './initiator-sa.ts'
import type { OpenedTunnel } from './initiator-session.ts'
import { authOctets, deriveChildKeys, deriveIkeKeys } from './key-schedule.ts'
import { natDetectionHash } from './nat-detection.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, isFromInitiator, isResponse } from './wire/header.ts'
import type { Message } from './wire/message.ts'
import { decodeMessage, encodeMessage } from './wire/message.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload } from './wire/payloads.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { identification, identificationBody } from './wire/simple-payloads.ts'

/** In an IPv6 packet of 1,280 octets, behind UDP's header, without the non-ESP marker. */
const defaultFragmentOctets = 1280 - 40 - 8

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

interface AuthPhase {
  readonly type: 'auth'
  readonly sa: InitiatorSa
  readonly nr: Bytes
  readonly initRequest: Bytes
  readonly initResponse: Bytes
  readonly initPayloads: readonly Payload[]
  /** Null: we prove who we are in one round. */
  readonly login: Login | null
  readonly encapsulate: boolean
}

/** A login by EAP. */
interface Login {
  readonly peer: EapPeer
  /** Who the gateway has proved to be, in the first round. */
  readonly gateway: Identification | null
  /** EAP has succeeded: each side's AUTH is made with this. */
  readonly msk: Bytes | null
}

type Phase = { readonly type: 'idle' } | { readonly type: 'closed' } | InitPhase | AuthPhase

export class InitiatorHandshake {
  readonly initiatorSpi: bigint
  readonly #options: InitiatorOptions
  readonly #ni: Bytes
  #phase: Phase = { type: 'idle' }
  #pending: Bytes | null = null
  #opened: OpenedTunnel | null = null

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.initiatorSpi = dataView(options.random.bytes(8)).getBigUint64(0) || 1n
    this.#ni = options.random.bytes(32)
  }

  /** The request that is unanswered; null when there is none. */
  get pending(): Bytes | null {
    return this.#pending
  }

  /** Null: it has not come to its end, or failed. */
  get opened(): OpenedTunnel | null {
    return this.#opened
  }

  /** All datagrams of a message of ours that begins with this one. */
  datagramsOf(first: Bytes): readonly Bytes[] {
    return this.#phase.type === 'auth' ? this.#phase.sa.datagramsOf(first) : [first]
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

  /** A datagram whose header is whole. What is not for us, or not authentic, changes nothing. */
  handle(header: IkeHeader, datagram: Bytes): InitiatorOutput {
    const phase = this.#phase
    if (phase.type === 'init') {
      return header.initiatorSpi === this.initiatorSpi && !isFromInitiator(header) ? this.#handleInit(phase, header, datagram) : nothing
    }
    if (phase.type !== 'auth' || !phase.sa.isOf(header) || !isResponse(header)) return nothing
    const message = this.#pending === null ? null : phase.sa.accept(header, datagram)
    if (message === null) return nothing
    this.#pending = null
    return this.#acceptAuth(phase, message)
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
        fragmentation: this.#options.fragmentation ?? true,
        signatures: signs(this.#options),
      }),
    )
    this.#phase = { type: 'init', request, ...values }
    this.#pending = request
    return request
  }

  #handleInit(phase: InitPhase, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (header.exchange !== exchangeType.ikeSaInit || !isResponse(header) || header.messageId !== 0) return nothing
    const message = decodedOrNull(decodeMessage, datagram)
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
      sa: new InitiatorSa(crypto, { initiatorSpi, responderSpi, suite, keys, fragmentOctets: this.#fragmentOctets(message.payloads) }, 1),
      nr,
      initRequest: phase.request,
      initResponse: datagram.slice(),
      initPayloads: message.payloads,
      login: this.#options.eap === undefined ? null : this.#login(this.#options.eap),
      encapsulate: this.#needsEncapsulation(responderSpi, message.payloads),
    }
    return this.#sendAuth(auth)
  }

  #login(credentials: EapCredentials): Login {
    return { peer: new EapPeer(this.#options.crypto, this.#options.random, credentials), gateway: null, msk: null }
  }

  #fragmentOctets(payloads: readonly Payload[]): number | null {
    if (findNotify(payloads, notifyType.fragmentationSupported) === null) return null
    return this.#options.fragmentOctets ?? defaultFragmentOctets
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

  #sendAuth(phase: AuthPhase): InitiatorOutput {
    const { identity, remoteIdentity, espProposals, spiIn, remoteTs, ipv6 } = this.#options
    const auth = phase.login === null ? this.#ownAuth(phase, this.#options) : null
    if (phase.login === null && auth === null) return this.#fail(null, 'our key can not sign in a way that the gateway takes')
    const certificates = phase.login === null ? (this.#options.certificate?.chain ?? []) : []
    const { initialContact = true, mobike = false } = this.#options
    const wants = { espProposals, spiIn, remoteTs, ipv6, initialContact, mobike }
    const payloads = authPayloads({ identity, wanted: remoteIdentity, certificates, auth, ...wants })
    const { sa } = phase
    this.#phase = phase
    return { send: this.#send(sa, exchangeType.ikeAuth, payloads), event: null }
  }

  /** Our AUTH (§2.15) by what is in `options`; null: our key can't sign in a way that the gateway takes. */
  #ownAuth({ sa, initRequest, initPayloads: received, nr }: AuthPhase, options: InitiatorOptions): Authentication | null {
    const { crypto, identity } = options
    const { prf } = sa.suite
    const idBody = identificationBody(identification(identity))
    const octets = authOctets(crypto, prf, { message: initRequest, peerNonce: nr, skP: sa.keys.skPi, idBody })
    return clientProof(options, prf, received, octets)
  }

  #send(sa: InitiatorSa, exchange: number, payloads: readonly Payload[]): Bytes {
    const datagram = sa.request(exchange, payloads)
    this.#pending = datagram
    return datagram
  }

  #acceptAuth(phase: AuthPhase, message: Message): InitiatorOutput {
    const { payloads } = message
    const error = errorNotify(payloads)
    const gateway = this.#provenGateway(phase, payloads)
    if (gateway === null) return this.#fail(error, error === null ? 'the gateway is not who it should be' : 'IKE_AUTH was refused')
    if (phase.login !== null && phase.login.msk === null) return this.#continueLogin(phase, { ...phase.login, gateway }, payloads)
    const child = grantedChild(this.#options.crypto, payloads, this.#options.espProposals, false)
    if (child === null) return this.#fail(error, 'the gateway granted no Child SA')
    const { type, data } = gateway.identity
    const tunnel = this.#tunnel(phase, { type, data: data.slice() }, child)
    const mobike = this.#options.mobike === true && findNotify(payloads, notifyType.mobikeSupported) !== null
    this.#opened = { sa: phase.sa, child: tunnel, mobike }
    return { send: null, event: { type: 'established', tunnel } }
  }

  /** A round of EAP: the gateway has proved who it is, and it is for us to answer. */
  #continueLogin(phase: AuthPhase, login: Login, payloads: readonly Payload[]): InitiatorOutput {
    const error = errorNotify(payloads)
    const packet = findPayload(payloads, 'eap')
    if (error !== null || packet === null) return this.#fail(error, 'EAP was refused')
    const outcome = login.peer.take(packet)
    if (outcome.type === 'failed') return this.#fail(null, outcome.problem)
    if (outcome.type === 'respond') {
      this.#phase = { ...phase, login }
      return { send: this.#send(phase.sa, exchangeType.ikeAuth, [{ type: 'eap', ...outcome.packet }]), event: null }
    }
    const { msk } = outcome
    const auth = this.#ownAuth(phase, { ...this.#options, secret: msk, certificate: null })
    assert(auth !== null, 'with a shared key there is always an AUTH')
    this.#phase = { ...phase, login: { ...login, msk } }
    return { send: this.#send(phase.sa, exchangeType.ikeAuth, [{ type: 'auth', ...auth }]), event: null }
  }

  /** Who the gateway proved to be, with EAP in the first round and once more, with the MSK, in the last; or null. */
  #provenGateway(phase: AuthPhase, payloads: readonly Payload[]): Identification | null {
    const { gateway = null, msk = null } = phase.login ?? {}
    if (gateway === null) return this.#authenticatedGateway(phase, this.#options, findPayload(payloads, 'idR'), payloads)
    return msk === null ? gateway : this.#authenticatedGateway(phase, { ...this.#options, secret: msk, trust: null }, gateway, payloads)
  }

  /** Null: what proves it is missing or wrong, or it is somebody else. */
  #authenticatedGateway(
    phase: AuthPhase,
    options: InitiatorOptions,
    idR: Identification | null,
    payloads: readonly Payload[],
  ): Identification | null {
    const { crypto, remoteIdentity } = options
    const auth = findPayload(payloads, 'auth')
    if (idR === null || auth === null) return null
    if (remoteIdentity !== null && !equalIdentity(remoteIdentity, idR.identity)) return null
    const side = { message: phase.initResponse, peerNonce: this.#ni, skP: phase.sa.keys.skPr, idBody: identificationBody(idR) }
    const { prf } = phase.sa.suite
    const claim = { identity: idR.identity, auth, payloads }
    return isGatewayProved(options, prf, claim, authOctets(crypto, prf, side)) ? idR : null
  }

  #tunnel(phase: AuthPhase, remoteIdentity: Identity, child: GrantedChild): Established {
    const { crypto, spiIn } = this.#options
    const { suite, keys, responderSpi } = phase.sa
    const values = { ni: this.#ni, nr: phase.nr, sharedSecret: emptyBytes }
    const keymat = deriveChildKeys(crypto, suite.prf, keys.skD, child.suite, values)
    return {
      ...child,
      initiatorSpi: this.initiatorSpi,
      responderSpi,
      ikeSuite: suite,
      remoteIdentity,
      spiIn,
      keyIn: keymat.responderToInitiator,
      keyOut: keymat.initiatorToResponder,
      encapsulate: phase.encapsulate,
    }
  }
}
