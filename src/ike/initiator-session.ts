/**
 * The built-in client's IKE SA once it is up: requests of its own, one at a time, and answers to the gateway's. As a stock client does, it
 * deletes what a rekeying has replaced in its next request.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes, equalBytes } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import { assert } from '../kit/assert.ts'
import { isRedundant } from './collision.ts'
import type { Path } from './decision.ts'
import { answerChildRekey, answerIkeRekey } from './initiator-answers.ts'
import { errorNotify, updatePayloads } from './initiator-messages.ts'
import type { ChildRequest, InitiatorEvent, InitiatorOptions, InitiatorOutput } from './initiator-options.ts'
import { nothing } from './initiator-options.ts'
import type { ClientChild, CreateTask } from './initiator-rekey.ts'
import { acceptChild, acceptIke, childTask, createPayloads, ikeTask, withGroup } from './initiator-rekey.ts'
import { InitiatorSa } from './initiator-sa.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, isResponse } from './wire/header.ts'
import type { Message } from './wire/message.ts'
import type { Delete } from './wire/notify.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

/** What the handshake has made. */
export interface OpenedTunnel {
  readonly sa: InitiatorSa
  readonly child: ClientChild
  readonly mobike: boolean
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

export class InitiatorSession {
  readonly #options: InitiatorOptions
  /** Null: it has ended. */
  #phase: OpenPhase | null
  /** The IKE SA, behind the one that it has replaced: the gateway repeats a request until it has our answer. */
  #sas: InitiatorSa[]
  /** The request that is unanswered, and its IKE SA. */
  #pending: Bytes | null = null
  #pendingSa: InitiatorSa | null = null
  /** Null: none has met it. */
  #rival: Rival | null = null
  /**
   * The IKE SA that the gateway has rekeyed, and its successor, as long as that is not known to have our answer: it knows nothing of the successor
   * if it has not, and if we have moved, it asks again where we are no more. What needs to get through then goes by the old one.
   */
  #unconfirmed: { readonly old: InitiatorSa; readonly sa: InitiatorSa } | null = null
  /** Our rekeying of an IKE SA that the gateway has deleted before its answer came: that may have been overtaken. */
  #overtaken: Overtaken | null = null

  constructor(options: InitiatorOptions, { sa, child, mobike }: OpenedTunnel) {
    this.#options = options
    this.#phase = { sa, children: [child], mobike, task: null }
    this.#sas = [sa]
  }

  /** The request that is unanswered; null when there is none. */
  get pending(): Bytes | null {
    return this.#pending
  }

  get isOpen(): boolean {
    return this.#phase !== null
  }

  /** All datagrams of a message of ours that begins with this one: several, if it is long (RFC 7383). */
  datagramsOf(first: Bytes): readonly Bytes[] {
    return this.#sas.map((sa) => sa.datagramsOf(first)).find(({ length }) => length > 1) ?? [first]
  }

  /** The Child SAs that there are, the oldest first. */
  get children(): readonly ClientChild[] {
    return this.#phase?.children ?? []
  }

  // Each of these returns its request, to be sent at once; or null when another request is unanswered or it has ended.

  /** An empty INFORMATIONAL request. */
  checkLiveness(): Bytes | null {
    return this.#start(() => ({ type: 'liveness' }), 'old')
  }

  /** UPDATE_SA_ADDRESSES: we are at `path.local` now. Null also without MOBIKE. */
  move(path: Path): Bytes | null {
    return this.#start(({ mobike }) => (mobike ? { type: 'move', path, cookie2: this.#options.random.bytes(16) } : null), 'old')
  }

  /** An INFORMATIONAL request with these payloads, such as MOBIKE's (RFC 4555). */
  inform(payloads: readonly Payload[]): Bytes | null {
    return this.#start(() => ({ type: 'inform', payloads }), 'old')
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
    return this.#start(() => ({ type: 'delete-ike', old: false }), 'new')
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

  /** A datagram whose header is whole. What is not for us, or not authentic, changes nothing. */
  handle(header: IkeHeader, datagram: Bytes): InitiatorOutput {
    const sa = this.#sas.find((one) => one.isOf(header))
    if (sa === undefined) return nothing
    // Also after the end: the gateway repeats its DELETE until it has our answer.
    const repeated = sa.repeated(datagram)
    if (repeated !== null) return { send: repeated, event: null }
    const phase = this.#phase
    if (phase === null) return nothing
    return isResponse(header) ? this.#handleResponse(phase, sa, header, datagram) : this.#handleRequest(phase, sa, header, datagram)
  }

  #fail(notify: number | null, problem: string): InitiatorOutput {
    this.#end()
    return { send: null, event: { type: 'failed', notify, problem } }
  }

  #end(): void {
    this.#phase = null
    this.#pending = null
  }

  #send(sa: InitiatorSa, exchange: number, payloads: readonly Payload[]): Bytes {
    const datagram = sa.request(exchange, payloads)
    this.#pending = datagram
    this.#pendingSa = sa
    return datagram
  }

  /**
   * `by`: which of the two IKE SAs carries it while the new one is unconfirmed. What makes or deletes SAs waits: the gateway would refuse it under the
   * one, and may never answer it under the other, and nothing else could be asked meanwhile.
   */
  #start(make: (phase: OpenPhase) => Task | null, by: 'old' | 'new' | null = null): Bytes | null {
    const phase = this.#phase
    if (phase === null || this.#pending !== null) return null
    if (this.#unconfirmed !== null && by === null) return null
    const task = make(phase)
    if (task === null) return null
    return this.#begin(phase, this.#unconfirmed !== null && by === 'old' ? { sa: this.#unconfirmed.old } : phase, task)
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

  #handleResponse(phase: OpenPhase, sa: InitiatorSa, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    if (sa === this.#overtaken?.sa) return this.#answeredLate(phase, this.#overtaken, header, datagram)
    if (this.#pending === null || sa !== this.#pendingSa) return nothing
    const message = sa.accept(header, datagram)
    if (message === null) return nothing
    this.#confirm(sa)
    this.#pending = null
    const { task } = phase
    assert(task !== null, 'a response was expected, so a request was made')
    return this.#completed({ ...phase, task: null }, task, message.payloads)
  }

  /** Something came under it. */
  #confirm(sa: InitiatorSa): void {
    if (this.#unconfirmed?.sa === sa) this.#unconfirmed = null
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
      if (this.#rival?.sa) this.#phase = this.#succeeded(phase, this.#rival.sa)
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
      const send = this.#begin(this.#succeeded(phase, rival), { sa }, { type: 'delete-ike', old: true, outdone: true })
      return { send, event: { type: 'outdone', what: 'ike-rekey' } }
    }
    const { initiatorSpi, responderSpi } = sa
    const send = this.#begin({ ...phase, sa }, phase, { type: 'delete-ike', old: true })
    return { send, event: { type: 'ike-rekeyed', initiatorSpi, responderSpi } }
  }

  #handleRequest(phase: OpenPhase, sa: InitiatorSa, header: IkeHeader, datagram: Bytes): InitiatorOutput {
    const message = sa.expect(header, datagram)
    if (message === null) return nothing
    this.#confirm(sa)
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
    if (this.#unconfirmed?.old === sa) this.#unconfirmed = null
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
    return { payloads: granted.payloads, event, next: hasMet ? null : this.#succeeded(phase, sa), after: null }
  }

  /** The IKE SA that the gateway has made is the present one; not known to it yet. */
  #succeeded(phase: OpenPhase, sa: InitiatorSa): OpenPhase {
    this.#unconfirmed = { old: phase.sa, sa }
    return { ...phase, sa }
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
