/**
 * The built-in client's IKEv2 (RFC 7296), without I/O and without timers: `start` makes the first request, `handle` takes what arrives, and
 * the caller sends `pending` again, as it is, until it is answered (§2.1).
 *
 * It does what the demo, the simulator and the tests need of a client: IKE_SA_INIT with cookie and another group, IKE_AUTH with a pre-shared
 * key, certificates or EAP-MSCHAPv2 and an address, liveness checks, further Child SAs, rekeying of Child SAs and of the IKE SA, DELETE, and answers to the gateway's
 * requests. As a stock client does, it deletes what a rekeying has replaced in its next request.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes, equalBytes } from '../kit/bytes.ts'
import type { IkeCrypto, KeyExchange } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import { Writer, decodedOrNull } from '../kit/wire.ts'
import { assert } from '../kit/assert.ts'
import { equalIdentity } from '../context/identity.ts'
import type { EapCredentials } from './eap/eap-peer.ts'
import { EapPeer } from './eap/eap-peer.ts'
import type { Endpoint, Identity, IkeSuite, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import type { Path } from './decision.ts'
import type { GrantedChild } from './initiator-messages.ts'
import { authPayloads, chosenIkeSuite, errorNotify, grantedChild, initPayloads, updatePayloads } from './initiator-messages.ts'
import type { ClientChild, CreateTask } from './initiator-rekey.ts'
import { acceptChild, acceptIke, childTask, createPayloads, ikeTask, withGroup } from './initiator-rekey.ts'
import type { ClientCertificate, GatewayTrust } from './initiator-proof.ts'
import { clientProof, isGatewayProved, signs } from './initiator-proof.ts'
import { InitiatorSa } from './initiator-sa.ts'
import { authOctets, deriveChildKeys, deriveIkeKeys } from './key-schedule.ts'
import { answerChildRekey, answerIkeRekey } from './initiator-answers.ts'
import { isRedundant } from './collision.ts'
import { natDetectionHash } from './nat-detection.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, isFromInitiator, isResponse, peekHeader } from './wire/header.ts'
import type { Message } from './wire/message.ts'
import { decodeMessage, encodeMessage } from './wire/message.ts'
import type { Delete } from './wire/notify.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { identification, identificationBody } from './wire/simple-payloads.ts'

export interface InitiatorOptions {
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly identity: Identity
  /** The identity that the gateway must have; null: any that knows the secret. */
  readonly remoteIdentity: Identity | null
  /** The pre-shared key, for whichever side has no certificate. */
  readonly secret: Bytes
  /** Proves who we are; null or missing: the pre-shared key does. */
  readonly certificate?: ClientCertificate | null
  /** The gateway must prove who it is by a certificate of theirs; null or missing: by the pre-shared key. */
  readonly trust?: GatewayTrust | null
  /** With these we log in by EAP (§2.16), and prove who we are in no other way. */
  readonly eap?: EapCredentials | undefined
  readonly ikeProposals: readonly IkeProposal[]
  readonly espProposals: readonly EspProposal[]
  /** The traffic wanted behind the gateway. */
  readonly remoteTs: readonly TrafficSelector[]
  readonly ipv6: boolean
  readonly local: Endpoint
  readonly remote: Endpoint
  /** The SPI that we receive ESP with. */
  readonly spiIn: number
  /** Whether no other session of the identity is known here (§2.4: INITIAL_CONTACT); true unless told. */
  readonly initialContact?: boolean
  /** The longest IKE message that leaves in one datagram, in octets, if the gateway takes fragments (RFC 7383); 1,232 unless told. */
  readonly fragmentOctets?: number
  /** False: fragmentation is not announced. */
  readonly fragmentation?: boolean
  /** Whether we ask for MOBIKE (RFC 4555), so that we may `move`; not unless told. */
  readonly mobike?: boolean
}

/** In an IPv6 packet of 1,280 octets, behind UDP's header, without the non-ESP marker. */
const defaultFragmentOctets = 1280 - 40 - 8

/** A tunnel that is up, with its first Child SA. */
export interface Established extends GrantedChild, ClientChild {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly ikeSuite: IkeSuite
  readonly remoteIdentity: Identity
  /** Whether ESP goes in UDP on port 4500 (§2.23): the gateway always makes it so. */
  readonly encapsulate: boolean
}

export type InitiatorEvent =
  | { readonly type: 'established'; readonly tunnel: Established }
  /** `notify`: the gateway's error notification, or null when its answer was not acceptable. */
  | { readonly type: 'failed'; readonly notify: number | null; readonly problem: string }
  /** The gateway has followed us to our new address; it has not, and says why. */
  | { readonly type: 'moved' }
  | { readonly type: 'not-moved'; readonly notify: number }
  /** Our liveness check, or what we told the gateway in an INFORMATIONAL, was answered. */
  | { readonly type: 'alive' }
  /** A Child SA was created. `replaces`: the inbound SPI of the one that it takes the place of, whose DELETE is on its way; null: a further one. */
  | { readonly type: 'child-created'; readonly child: ClientChild; readonly replaces: number | null }
  /** The gateway has made a successor of the Child SA that we receive by with this SPI, and deletes that when it has our answer: until then we send by the old one. */
  | { readonly type: 'child-offered'; readonly child: ClientChild; readonly replaces: number }
  /** Our rekeying met one of the gateway's and lost (§2.8.1, §2.8.2): what it made is of no use, and its DELETE is on its way. */
  | { readonly type: 'outdone'; readonly what: 'child-rekey' | 'ike-rekey' }
  /** The gateway has confirmed our DELETE of a Child SA: one that was rekeyed, or that was of no more use. */
  | { readonly type: 'child-replaced'; readonly spiIn: number }
  /** The IKE SA has a successor, and the DELETE of the old one is on its way; then, confirmed. */
  | { readonly type: 'ike-rekeyed'; readonly initiatorSpi: bigint; readonly responderSpi: bigint }
  | { readonly type: 'ike-replaced' }
  /** A CREATE_CHILD_SA failed, and all stays as it was. `notify` as above. */
  | { readonly type: 'refused'; readonly what: 'child' | 'child-rekey' | 'ike-rekey'; readonly notify: number | null }
  /** The gateway deleted the Child SAs that we receive by with these SPIs; the IKE SA stays. */
  | { readonly type: 'child-deleted'; readonly spisIn: readonly number[] }
  /** The gateway has made a successor of the IKE SA. */
  | { readonly type: 'ike-offered'; readonly initiatorSpi: bigint; readonly responderSpi: bigint }
  /** The IKE SA is gone: deleted by the gateway, or by us and confirmed. */
  | { readonly type: 'closed' }

export interface InitiatorOutput {
  /** To be sent at once, or null: the first datagram of a message, see `datagramsOf`. */
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

/** What the request that is unanswered is for. */
type Task =
  | CreateTask
  | { readonly type: 'liveness' }
  | { readonly type: 'inform'; readonly payloads: readonly Payload[] }
  | { readonly type: 'move'; readonly path: Path; readonly cookie2: Bytes }
  /** `outdone`: one of ours that another has won against. */
  | { readonly type: 'delete-child'; readonly child: ClientChild; readonly outdone?: boolean }
  /** `old`: an IKE SA that was replaced, or outdone; else the session ends. */
  | { readonly type: 'delete-ike'; readonly old: boolean; readonly outdone?: boolean }

interface OpenPhase {
  readonly type: 'established'
  readonly sa: InitiatorSa
  readonly children: readonly ClientChild[]
  readonly mobike: boolean
  /** Null: no request is unanswered. */
  readonly task: Task | null
}

/** The gateway's rekeying of what our unanswered request rekeys, too. `sa`: the IKE SA that came of it; null: it was a Child SA. */
interface Rival {
  readonly nonce: Bytes
  readonly sa: InitiatorSa | null
}

interface Overtaken {
  readonly sa: InitiatorSa
  readonly task: Extract<CreateTask, { type: 'ike' }>
}

type Phase = { readonly type: 'idle' } | { readonly type: 'closed' } | InitPhase | AuthPhase | OpenPhase

/** How a Child SA is asked for. */
export interface ChildRequest {
  /** The SPI that we will receive with: one that was never used. */
  readonly spiIn: number
  /** Key exchange methods for one of its own, the first is tried first; empty: without. */
  readonly groups: readonly number[]
}

/** One attempt at a session, from IKE_SA_INIT to its end. Guards that no Message ID and no IV is used twice. */
export class IkeInitiator {
  readonly initiatorSpi: bigint
  #options: InitiatorOptions
  #ni: Bytes
  #phase: Phase = { type: 'idle' }
  /** The IKE SA, behind the one that it has replaced: the gateway repeats a request until it has our answer. */
  #sas: InitiatorSa[] = []
  /** The IKE SA of the request that is unanswered; null while that is IKE_SA_INIT. */
  #pendingSa: InitiatorSa | null = null
  #pending: Bytes | null = null
  /** Null: none has met it. */
  #rival: Rival | null = null
  /** Our rekeying of an IKE SA that the gateway has deleted before its answer came: that may have been overtaken. */
  #overtaken: Overtaken | null = null

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.initiatorSpi = dataView(options.random.bytes(8)).getBigUint64(0) || 1n
    this.#ni = options.random.bytes(32)
  }

  /** The request that is unanswered: to be sent again, octet for octet (all of `datagramsOf`); null when there is none. */
  get pending(): Bytes | null {
    return this.#pending
  }

  /** All datagrams of a message of ours that begins with this one: several, if it is long (RFC 7383). */
  datagramsOf(first: Bytes): readonly Bytes[] {
    return this.#sas.map((sa) => sa.datagramsOf(first)).find(({ length }) => length > 1) ?? [first]
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

  /** The Child SAs that there are, the oldest first. */
  get children(): readonly ClientChild[] {
    return this.#phase.type === 'established' ? this.#phase.children : []
  }

  // Each of these returns its request, to be sent at once; or null when another request is unanswered or no tunnel is up.

  /** An empty INFORMATIONAL request. */
  checkLiveness(): Bytes | null {
    return this.#start(() => ({ type: 'liveness' }))
  }

  /** UPDATE_SA_ADDRESSES: we are at `path.local` now. Null also without MOBIKE. */
  move(path: Path): Bytes | null {
    return this.#start(({ mobike }) => (mobike ? { type: 'move', path, cookie2: this.#options.random.bytes(16) } : null))
  }

  /** An INFORMATIONAL request with these payloads, such as MOBIKE's (RFC 4555). */
  inform(payloads: readonly Payload[]): Bytes | null {
    return this.#start(() => ({ type: 'inform', payloads }))
  }

  /** DELETE of the Child SA that we receive by with this SPI; null also when there is none. */
  deleteChild(spiIn: number): Bytes | null {
    return this.#start(({ children }) => {
      const child = children.find((one) => one.spiIn === spiIn)
      return child === undefined ? null : { type: 'delete-child', child }
    })
  }

  /** DELETE of the IKE SA. */
  close(): Bytes | null {
    return this.#start(() => ({ type: 'delete-ike', old: false }))
  }

  /** CREATE_CHILD_SA for a further Child SA, with the selectors of the first. */
  createChild(request: ChildRequest): Bytes | null {
    return this.#start(({ children }) => this.#childTask(request, null, children[0]))
  }

  /** CREATE_CHILD_SA that rekeys the Child SA that we receive by with this SPI; null also when there is none. */
  rekeyChild(spiIn: number, request: ChildRequest): Bytes | null {
    return this.#start(({ children }) => {
      const old = children.find((child) => child.spiIn === spiIn)
      return old === undefined ? null : this.#childTask(request, old, old)
    })
  }

  /** CREATE_CHILD_SA that rekeys the IKE SA. */
  rekeyIke(): Bytes | null {
    return this.#start(({ sa }) => ikeTask(this.#options, this.#options.ikeProposals, sa.suite.ke))
  }

  /** Takes a datagram, without the non-ESP marker. What is not for us, or not authentic, changes nothing. */
  handle(datagram: Bytes): InitiatorOutput {
    const header = peekHeader(datagram)
    if (header === null || header.length !== datagram.length) return nothing
    const phase = this.#phase
    if (phase.type === 'init')
      return header.initiatorSpi === this.initiatorSpi && !isFromInitiator(header) ? this.#handleInit(phase, header, datagram) : nothing
    const sa = this.#sas.find((one) => one.isOf(header))
    if (sa === undefined) return nothing
    // Also after the end: the gateway repeats its DELETE until it has our answer.
    const repeated = sa.repeated(datagram)
    if (repeated !== null) return { send: repeated, event: null }
    if (phase.type !== 'auth' && phase.type !== 'established') return nothing
    return isResponse(header) ? this.#handleResponse(phase, sa, header, datagram) : this.#handleRequest(phase, sa, header, datagram)
  }

  #fail(notify: number | null, problem: string): InitiatorOutput {
    this.#end()
    return { send: null, event: { type: 'failed', notify, problem } }
  }

  #end(): void {
    this.#phase = { type: 'closed' }
    this.#pending = null
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
    this.#sas = [sa]
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
    this.#pendingSa = sa
    return datagram
  }

  #start(make: (phase: OpenPhase) => Task | null): Bytes | null {
    const phase = this.#phase
    if (phase.type !== 'established' || this.#pending !== null) return null
    const task = make(phase)
    return task === null ? null : this.#begin(phase, phase, task)
  }

  #childTask({ spiIn, groups }: ChildRequest, replaces: ClientChild | null, like: ClientChild | undefined): CreateTask | null {
    if (like === undefined) return null
    const { localTs, remoteTs } = like
    return childTask(this.#options, { spiIn, groups, replaces, proposals: this.#options.espProposals, localTs, remoteTs })
  }

  /** The request of a task, under `sa` (the newest, or the one that it replaced). */
  #begin(phase: OpenPhase, { sa }: { readonly sa: InitiatorSa }, task: Task): Bytes {
    this.#phase = { ...phase, task }
    this.#rival = null
    switch (task.type) {
      case 'child':
      case 'ike':
        return this.#send(sa, exchangeType.createChildSa, createPayloads(task))
      case 'liveness':
        return this.#send(sa, exchangeType.informational, [])
      case 'move':
        return this.#send(sa, exchangeType.informational, updatePayloads(this.#options.crypto, sa, task.path, task.cookie2))
      case 'inform':
        return this.#send(sa, exchangeType.informational, task.payloads)
      case 'delete-child':
        return this.#send(sa, exchangeType.informational, [deletion([task.child.spiIn])])
      case 'delete-ike':
        return this.#send(sa, exchangeType.informational, [{ type: 'delete', protocol: protocolId.ike, spiSize: 0, spis: [] }])
    }
  }

  #handleResponse(phase: AuthPhase | OpenPhase, sa: InitiatorSa, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (sa === this.#overtaken?.sa && phase.type === 'established') return this.#answeredLate(phase, this.#overtaken, header, datagram)
    if (this.#pending === null || sa !== this.#pendingSa) return nothing
    const message = sa.accept(header, datagram)
    if (message === null) return nothing
    this.#pending = null
    if (phase.type === 'auth') return this.#acceptAuth(phase, message)
    const { task } = phase
    assert(task !== null, 'a response was expected, so a request was made')
    return this.#completed({ ...phase, task: null }, task, message.payloads)
  }

  /** The gateway did notice that our rekeying met its own, and won: what it has made for us is ours to delete. */
  #answeredLate(phase: OpenPhase, { sa, task }: Overtaken, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    const message = sa.accept(header, datagram)
    if (message === null) return nothing
    this.#overtaken = null
    const values = errorNotify(message.payloads) === null ? acceptIke(this.#options, task, sa, message.payloads) : null
    if (values === null || this.#pending !== null) return nothing
    const redundant = new InitiatorSa(this.#options.crypto, { ...values, fragmentOctets: sa.fragmentOctets }, 0)
    this.#sas.push(redundant)
    return { send: this.#begin(phase, { sa: redundant }, { type: 'delete-ike', old: true, outdone: true }), event: null }
  }

  #completed(phase: OpenPhase, task: Task, payloads: readonly Payload[]): InitiatorOutput {
    this.#phase = phase
    switch (task.type) {
      case 'child':
      case 'ike':
        return this.#created(phase, task, payloads)
      case 'liveness':
      case 'inform':
        return { send: null, event: { type: 'alive' } }
      case 'move':
        return this.#moved(task.cookie2, payloads)
      case 'delete-child':
        this.#phase = { ...phase, children: phase.children.filter((one) => one !== task.child) }
        return { send: null, event: task.outdone === true ? null : { type: 'child-replaced', spiIn: task.child.spiIn } }
      case 'delete-ike':
        if (task.old) return { send: null, event: task.outdone === true ? null : { type: 'ike-replaced' } }
        this.#end()
        return { send: null, event: { type: 'closed' } }
    }
  }

  /** "If the COOKIE2 values do not match, the IKE_SA MUST be closed" (RFC 4555 §3.7). */
  #moved(cookie2: Bytes, payloads: readonly Payload[]): InitiatorOutput {
    const returned = findNotify(payloads, notifyType.cookie2)
    if (returned === null || !equalBytes(returned.data, cookie2))
      return this.#fail(null, 'UPDATE_SA_ADDRESSES came back with another COOKIE2')
    const error = errorNotify(payloads)
    return { send: null, event: error === null ? { type: 'moved' } : { type: 'not-moved', notify: error } }
  }

  #created(phase: OpenPhase, task: CreateTask, payloads: readonly Payload[]): InitiatorOutput {
    const otherGroup = findNotify(payloads, notifyType.invalidKePayload)
    // What the gateway has rekeyed meanwhile needs no second attempt.
    const again = otherGroup === null || this.#rival !== null ? null : withGroup(this.#options, task, otherGroup.data)
    if (again !== null) return { send: this.#begin(phase, phase, again), event: null }
    const notify = errorNotify(payloads)
    // The gateway has closed the IKE SA (§2.21.3).
    if (notify === notifyType.invalidSyntax) return this.#fail(notify, 'CREATE_CHILD_SA was refused')
    if (notify !== null) {
      // The gateway was first, and has not seen ours as one that met its own.
      if (this.#rival?.sa) this.#phase = { ...phase, sa: this.#rival.sa }
      return refusal(task, notify)
    }
    return task.type === 'ike' ? this.#ikeRekeyed(phase, task, payloads) : this.#childCreated(phase, task, payloads)
  }

  #childCreated(phase: OpenPhase, task: Extract<CreateTask, { type: 'child' }>, payloads: readonly Payload[]): InitiatorOutput {
    const child = acceptChild(this.#options, task, phase.sa, payloads)
    if (child === null) return refusal(task, null)
    if (this.#isOutdone(task, payloads)) {
      return {
        send: this.#begin(phase, phase, { type: 'delete-child', child, outdone: true }),
        event: { type: 'outdone', what: 'child-rekey' },
      }
    }
    const replaces = phase.children.find(({ spiIn }) => spiIn === task.replaces?.spiIn) ?? null
    const next = { ...phase, children: [...phase.children.filter((one) => one !== replaces), child] }
    this.#phase = next
    const event: InitiatorEvent = { type: 'child-created', child, replaces: replaces?.spiIn ?? null }
    return { send: replaces === null ? null : this.#begin(next, next, { type: 'delete-child', child: replaces }), event }
  }

  /** Whether what the answer makes is the redundant one of two. */
  #isOutdone(task: CreateTask, payloads: readonly Payload[]): boolean {
    return this.#rival !== null && isRedundant(task.ni, findPayload(payloads, 'nonce')!.nonce, this.#rival.nonce)
  }

  /** The Child SAs are the new one's from here on (§2.18); the DELETE is the old one's last request. Of two new ones the redundant one goes. */
  #ikeRekeyed(phase: OpenPhase, task: Extract<CreateTask, { type: 'ike' }>, payloads: readonly Payload[]): InitiatorOutput {
    const values = acceptIke(this.#options, task, phase.sa, payloads)
    if (values === null) return refusal(task, null)
    const sa = new InitiatorSa(this.#options.crypto, { ...values, fragmentOctets: phase.sa.fragmentOctets }, 0)
    const rival = this.#rival?.sa ?? null
    this.#sas = rival === null ? [phase.sa, sa] : [phase.sa, rival, sa]
    if (rival !== null && this.#isOutdone(task, payloads)) {
      const send = this.#begin({ ...phase, sa: rival }, { sa }, { type: 'delete-ike', old: true, outdone: true })
      return { send, event: { type: 'outdone', what: 'ike-rekey' } }
    }
    const { initiatorSpi, responderSpi } = sa
    const send = this.#begin({ ...phase, sa }, phase, { type: 'delete-ike', old: true })
    return { send, event: { type: 'ike-rekeyed', initiatorSpi, responderSpi } }
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
    this.#phase = { type: 'established', sa: phase.sa, children: [tunnel], mobike, task: null }
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

  #handleRequest(phase: AuthPhase | OpenPhase, sa: InitiatorSa, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    const message = phase.type === 'auth' ? null : sa.expect(header, datagram)
    if (phase.type === 'auth' || message === null) return nothing
    const { payloads, event, next, after } = this.#decideAnswer(phase, sa, message)
    const response = sa.respond(message, datagram, payloads)
    if (next !== null) this.#phase = next
    if (event?.type === 'closed') this.#end()
    after?.()
    return { send: response, event }
  }

  #decideAnswer(phase: OpenPhase, sa: InitiatorSa, { payloads, header }: Message): OwnAnswer {
    if (header.exchange === exchangeType.createChildSa) return this.#answerCreate(phase, sa, payloads)
    if (header.exchange !== exchangeType.informational) return answer([notification(notifyType.invalidSyntax)])
    const deletions = payloads.filter((payload) => payload.type === 'delete')
    if (deletions.some(({ protocol }) => protocol === protocolId.ike)) return this.#answerIkeDeletion(phase, sa)
    const { task } = phase
    const isOurs = (child: ClientChild): boolean => task?.type === 'delete-child' && task.child.spiIn === child.spiIn
    const deleted = phase.children.filter(({ spiOut }) => deletions.some((payload) => deletesChild(payload, spiOut)))
    if (deleted.length === 0) return answer([])
    // What both delete at once is in neither's answer (§2.25.1).
    const told = deleted.filter((child) => !isOurs(child)).map(({ spiIn }) => spiIn)
    const next = { ...phase, children: phase.children.filter((child) => !deleted.includes(child)) }
    const event = { type: 'child-deleted' as const, spisIn: deleted.map(({ spiIn }) => spiIn) }
    return { payloads: told.length === 0 ? [] : [deletion(told)], event, next, after: null }
  }

  /** The end of an IKE SA that was replaced is not the session's. What we asked under it, and got no answer, is asked under its successor. */
  #answerIkeDeletion(phase: OpenPhase, sa: InitiatorSa): OwnAnswer {
    const { task } = phase
    const successor = sa === phase.sa ? (this.#rival?.sa ?? null) : phase.sa
    if (successor === null) return { payloads: [], event: { type: 'closed' }, next: null, after: null }
    if (this.#pendingSa !== sa || task === null || this.#pending === null) return answer([])
    const next = { ...phase, sa: successor, task: null }
    const forget = (): void => {
      this.#pending = null
    }
    // §2.8.2: "it knows that the other peer did not detect the simultaneous rekey" and ours is forgotten; unless its answer was overtaken.
    if (task.type === 'ike') this.#overtaken = { sa, task }
    if (task.type === 'ike')
      return { payloads: [], event: { type: 'refused', what: 'ike-rekey', notify: notifyType.temporaryFailure }, next, after: forget }
    if (task.type === 'delete-ike') {
      const replaced: InitiatorEvent | null = task.outdone === true ? null : { type: 'ike-replaced' }
      return { payloads: [], event: task.old ? replaced : { type: 'closed' }, next, after: forget }
    }
    return { payloads: [], event: null, next, after: () => this.#begin(next, next, task) }
  }

  #answerCreate(phase: OpenPhase, sa: InitiatorSa, payloads: readonly Payload[]): OwnAnswer {
    const { task } = phase
    const refused = (notify: number): OwnAnswer => answer([notification(notify)])
    if (sa !== phase.sa || task?.type === 'delete-ike') return refused(notifyType.temporaryFailure)
    const rekeySa = findNotify(payloads, notifyType.rekeySa)
    const isIke = findPayload(payloads, 'sa')?.proposals.some(({ protocol }) => protocol === protocolId.ike) === true
    if (rekeySa === null && !isIke) return refused(notifyType.noAdditionalSas)
    if (rekeySa === null) {
      const isBusy = task?.type === 'child' || task?.type === 'delete-child'
      return isBusy ? refused(notifyType.temporaryFailure) : this.#answerIkeRekey(phase, payloads)
    }
    if (task?.type === 'ike') return refused(notifyType.temporaryFailure)
    const spiOut = rekeySa.spi.length === 4 ? dataView(rekeySa.spi).getUint32(0) : 0
    if (task?.type === 'delete-child' && task.child.spiOut === spiOut) return refused(notifyType.temporaryFailure)
    const old = phase.children.find((child) => child.spiOut === spiOut)
    // It may be what an answer to our own request has made that is on its way.
    if (old === undefined && task?.type === 'child') return refused(notifyType.temporaryFailure)
    if (old === undefined)
      return answer([
        { type: 'notify', protocol: rekeySa.protocol, spi: rekeySa.spi, notify: notifyType.childSaNotFound, data: emptyBytes },
      ])
    return this.#answerChildRekey(phase, old, payloads)
  }

  #answerChildRekey(phase: OpenPhase, old: ClientChild, payloads: readonly Payload[]): OwnAnswer {
    const granted = answerChildRekey(this.#options, phase.sa, old, this.#options.espProposals, payloads)
    if (granted.made === null) return answer(granted.payloads)
    const { made: child, nonce } = granted
    const { task } = phase
    if (task?.type === 'child' && task.replaces?.spiIn === old.spiIn) this.#rival = { nonce, sa: null }
    const event = { type: 'child-offered' as const, child, replaces: old.spiIn }
    return { payloads: granted.payloads, event, next: { ...phase, children: [...phase.children, child] }, after: null }
  }

  /** New requests are the new one's, unless one of ours, which rekeys it too, says otherwise. */
  #answerIkeRekey(phase: OpenPhase, payloads: readonly Payload[]): OwnAnswer {
    const granted = answerIkeRekey(this.#options, phase.sa, this.#options.ikeProposals, payloads)
    if (granted.made === null) return answer(granted.payloads)
    const { made: sa, nonce } = granted
    this.#sas = [phase.sa, sa]
    const hasMet = phase.task?.type === 'ike'
    if (hasMet) this.#rival = { nonce, sa }
    const event = { type: 'ike-offered' as const, initiatorSpi: sa.initiatorSpi, responderSpi: sa.responderSpi }
    return { payloads: granted.payloads, event, next: hasMet ? null : { ...phase, sa }, after: null }
  }
}

/** `next`: the phase after it, null: as it is. `after`: what follows once the response is made. */
interface OwnAnswer {
  readonly payloads: readonly Payload[]
  readonly event: InitiatorEvent | null
  readonly next: OpenPhase | null
  readonly after: (() => void) | null
}

function answer(payloads: readonly Payload[]): OwnAnswer {
  return { payloads, event: null, next: null, after: null }
}

function refusal(task: CreateTask, notify: number | null): InitiatorOutput {
  const child = task.type === 'child' && task.replaces === null ? 'child' : 'child-rekey'
  return { send: null, event: { type: 'refused', what: task.type === 'ike' ? 'ike-rekey' : child, notify } }
}

/** DELETE of Child SAs that we receive by with these SPIs. */
function deletion(spis: readonly number[]): Payload {
  return { type: 'delete', protocol: protocolId.esp, spiSize: 4, spis: spis.map((spi) => new Writer(4).u32(spi).finish()) }
}

function deletesChild(payload: Delete, spiOut: number): boolean {
  if (payload.protocol !== protocolId.esp || payload.spiSize !== 4) return false
  return payload.spis.some((spi) => dataView(spi).getUint32(0) === spiOut)
}
