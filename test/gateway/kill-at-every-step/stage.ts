/**
 * A cluster of control cores and a client, stepped effect by effect. Everything that somebody does to somebody else - a proposal on its way
 * into the log, an entry on its way to a gateway, a datagram, a message of the mesh - is a step that waits for its turn. Before and after
 * every effect and after every step is a *point*: `Fault.at` says at which of them a gateway is struck, so that a run without faults, whose
 * points are counted, names all the moments at which an owner can die.
 */

import { sealingKeyId } from '../../../src/crypto/sealer.ts'
import { decodeControlMessage } from '../../../src/gateway/control-message.ts'
import { defaultIkeLimits } from '../../../src/gateway/ike/limits.ts'
import type { ToPackets } from '../../../src/gateway/packet-messages.ts'
import type { InitiatorOptions } from '../../../src/ike/initiator.ts'
import type { IkeHeader } from '../../../src/ike/wire/header.ts'
import { exchangeType, isResponse, peekHeader } from '../../../src/ike/wire/header.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { equalBytes } from '../../../src/kit/bytes.ts'
import type { IkeCrypto } from '../../../src/kit/ike-crypto.ts'
import { noSealingKey } from '../../../src/kit/sealer.ts'
import { encodeCommand } from '../../../src/session/commands.ts'
import type { State } from '../../../src/session/state.ts'
import type { SessionView } from '../../../src/session/view.ts'
import { digest, ownership, sessionView } from '../../../src/session/view.ts'
import type { Appended, Member } from '../../support/control-cluster.ts'
import { ControlCluster, nextSealingKey } from '../../support/control-cluster.ts'
import { hashedKeyExchange } from '../../support/hashed-key-exchange.ts'
import type { Outgoing } from './peer.ts'
import { Peer } from './peer.ts'
import { Wire } from './wire.ts'

/**
 * `dies`: what it had on its way is lost, and the others notice at once. `late`: what it had on its way arrives when its successor is at
 * work, and the client's request comes again just then. `unnoticed`: the client's request comes again before anybody has noticed. `stale`: it
 * lives on, cut off from log and mesh, hears the client, and sends and proposes. `restarts`: its process comes up again at once, what it had
 * on its way arrives behind its new incarnation.
 */
export const faultKinds = ['dies', 'late', 'unnoticed', 'stale', 'restarts'] as const
/** `key-change` is none: another sealing key is agreed on just then, and everybody begins to seal anew what is under the former one. */
export type FaultKind = (typeof faultKinds)[number] | 'key-change'

export interface Fault {
  /** The index of the point. */
  readonly at: number
  readonly kind: FaultKind
  /** The gateway; null: whoever owns the session then. */
  readonly victim: string | null
}

/**
 * A moment in an exchange: what has just happened, or (`…?`) is about to. The client's `ask` is on its way; it did `arrive`; the gateway did
 * `forward` it by the mesh, `propose`; the `commit` is in the log; the proposer did `apply` it, did `send` the answer; `others` did apply it; the
 * client did `hear` the answer.
 */
export interface Point {
  readonly exchange: string
  readonly moment: string
}

interface Step {
  /** Whose it is, with whom it may be lost; null: nobody's. */
  readonly from: Member | null
  readonly kind: 'proposal' | 'datagram' | 'mesh' | 'other'
  /** What it is called when it is done. */
  readonly moment: string
  readonly run: () => void
}

/** At which gateway the client's datagrams arrive: the owner as long as it lives, or another one. */
export type Arrival = 'owner' | 'other'

export interface StageOptions {
  readonly arrival: Arrival
  /** Who owns the session in a run without faults; null: not known yet. */
  readonly owner: string | null
  readonly faults: readonly Fault[]
  readonly client: Partial<InitiatorOptions>
  readonly seed: number
  /** What the client does when the first request of the cluster's leaves, so that the two cross. */
  readonly crosses: ((stage: Stage) => void) | null
}

export const TICK_MS = 100
/** What an exchange that the cluster begins is called, in its two halves. */
export const ownExchanges = { 'own-request': "gateway's request", 'own-response': 'its answer' } as const

export class Stage extends ControlCluster {
  readonly options: StageOptions
  readonly peer: Peer
  readonly wire = new Wire()
  readonly points: Point[] = []
  /** Who was struck, in order. */
  readonly struck: Member[] = []
  /** The client's request that was unanswered when the first fault struck, and how long the log was. */
  atStrike: { readonly pending: Bytes | null; readonly logLength: number; readonly exchange: string } | null = null
  /** Requests that were answered by gateways (with `by`), since the first fault. */
  readonly answers: { readonly by: Member; readonly header: IkeHeader }[] = []
  /** How long the log was when points began to be counted. */
  recordedFrom = 0
  /** Undefined while the cluster is set up: then everything happens at once. */
  private steps: Step[] | undefined
  /** What the log was made to do, and must not have done. */
  readonly problems: string[] = []
  /** Places in the log of what gateways that had ended proposed. */
  readonly #void = new Set<number>()
  readonly #dead = new Set<Member>()
  readonly #stale = new Set<Member>()
  #exchange = ''
  #isRecording = false
  #isCrowded = false
  /** Whether `crosses` was done. */
  hasCrossed = false

  constructor(options: StageOptions) {
    super('sg1', 'sg2', 'sg3')
    this.options = options
    this.peer = new Peer((outgoing) => this.#fromClient(outgoing), options.seed, options.client)
  }

  override ikeCrypto(): IkeCrypto {
    return hashedKeyExchange(this.random)
  }

  /** From here on what happens waits for its turn. */
  begin(): void {
    this.steps = []
  }

  /** From here on points are counted, and faults strike. */
  record(): void {
    this.recordedFrom = this.log.length
    this.#isRecording = true
  }

  stopRecording(): void {
    this.#isRecording = false
  }

  /** All gateways count so many half-open sessions as call for cookies. The state is not what it says: making so many takes a test's time. */
  crowded(): void {
    this.#isCrowded = true
    for (const member of this.members.values()) countCrowd(member)
  }

  override restart(id: string): Member {
    const member = super.restart(id)
    if (this.steps !== undefined && this.#isCrowded) countCrowd(member)
    return member
  }

  // ---- who is there

  /** Gateways that live and hear the log. */
  get healthy(): Member[] {
    return [...this.members.values()].filter((member) => !this.#stale.has(member))
  }

  /** The client's session: the newest. */
  get peerSession(): number {
    return this.healthy[0]!.control.state.nextSession - 1
  }

  get view(): SessionView | null {
    return sessionView(this.healthy[0]!.control.state, this.peerSession)
  }

  /** A gateway for the client's datagrams, or for an operator's request. */
  door(): Member {
    const { arrival, owner } = this.options
    const others = this.healthy.filter(({ id }) => id !== owner)
    const itself = this.healthy.find(({ id }) => id === owner)
    return (arrival === 'owner' ? (itself ?? others[0]) : (others[0] ?? itself))!
  }

  // ---- effects

  override append(member: Member, appended: Appended): void {
    if (this.steps === undefined) return super.append(member, appended)
    if (this.#dead.has(member)) return
    const { command } = appended
    if (command.type === 'commit-exchange' && command.direction !== 'request') this.#exchange = ownExchanges[command.direction]
    this.#point('propose?')
    if (this.#dead.has(member)) return
    this.steps.push({ from: member, kind: 'proposal', moment: 'commit', run: () => this.#committed(member, appended) })
    this.#point('propose')
  }

  #cross(): void {
    if (!this.#isRecording || this.hasCrossed) return
    this.hasCrossed = true
    this.options.crosses?.(this)
  }

  override toPackets(member: Member, message: ToPackets): void {
    if (this.steps === undefined) return super.toPackets(member, message)
    if (this.#dead.has(member)) return
    if (message.type === 'send-mesh') this.#toMesh(member, message.gateway, message.payload)
    else if (message.type === 'send-outer') this.#toClient(member, message)
    else member.toPackets.push(message)
  }

  #toMesh(member: Member, gateway: string, payload: Bytes): void {
    const arrive = (): void => {
      const to = this.members.get(gateway)
      if (to === undefined || this.#stale.has(to) || this.#stale.has(member)) return
      to.control.packets({ type: 'mesh', gateway: member.id, payload }, this.now)
    }
    // Heartbeats and the like are not part of any exchange.
    if (['ping', 'pong', 'state-hash'].includes(decodeControlMessage(payload).type)) return arrive()
    this.#point('forward?')
    if (this.#dead.has(member)) return
    this.steps!.push({ from: member, kind: 'mesh', moment: 'arrive', run: arrive })
    this.#point('forward')
  }

  #toClient(member: Member, { remote, datagrams }: Extract<ToPackets, { type: 'send-outer' }>): void {
    this.#point('send?')
    if (this.#dead.has(member)) return
    if (datagrams.some((datagram) => !isResponse(peekHeader(datagram)!))) this.#cross()
    for (const datagram of datagrams) {
      this.wire.note(member.id, datagram)
      if (this.atStrike !== null) this.answers.push({ by: member, header: peekHeader(datagram)! })
      const run = (): void => {
        if (equalBytes(remote.address, this.peer.address)) this.peer.receive(datagram)
      }
      this.steps!.push({ from: member, kind: 'datagram', moment: 'hear', run })
    }
    this.#point('send')
  }

  #fromClient({ local, remote, datagram }: Outgoing): void {
    const header = peekHeader(datagram)!
    this.wire.note('the client', datagram)
    if (!isResponse(header)) this.#exchange = exchangeName(header)
    const run = (): void => {
      // Where the network is split, both sides may hear the client.
      for (const { control } of [this.door(), ...this.#stale]) {
        control.packets({ type: 'ike', datagram: datagram.slice(), local: remote, remote: local }, this.now)
      }
    }
    this.steps!.push({ from: null, kind: 'datagram', moment: 'arrive', run })
    this.#point('ask')
  }

  // ---- the log

  #committed(member: Member, { octets, serial, command }: Appended): void {
    // A life that was struck before it had its incarnation has one from here on: nobody could tell it from one that lives.
    const isVoid = command.type !== 'gateway-up' && (this.#dead.has(member) || this.#stale.has(member))
    if (isVoid) this.#void.add(this.log.length)
    this.log.push({ octets, member, serial })
    const own = this.healthy.filter((one) => one === member)
    this.#letApply([...own, ...this.healthy.filter((one) => one !== member)], member)
  }

  /** As the base does, but what a gateway that has ended proposed must change nothing (S5). */
  override apply(id: string): void {
    if (this.steps === undefined) return super.apply(id)
    const member = this.member(id)
    while (member.applied < this.log.length) this.#applyNext(member)
    member.control.caughtUp(this.now)
  }

  #applyNext(member: Member): void {
    const index = member.applied
    const { octets, member: proposer, serial } = this.log[index]!
    const before = this.#void.has(index) ? meaning(member.control.state) : null
    member.applied += 1
    member.control.committed(index + 1, octets, proposer === member ? serial : null, this.now)
    if (before !== null && meaning(member.control.state) !== before) this.problems.push(`S5: entry ${index} of a gateway that had ended`)
  }

  #letApply(members: readonly Member[], proposer: Member | null): void {
    for (const member of members) {
      const run = (): void => {
        if (this.members.get(member.id) === member && !this.#stale.has(member)) this.apply(member.id)
      }
      this.steps!.push({ from: null, kind: 'other', moment: member === proposer ? 'apply' : 'others', run })
    }
  }

  // ---- faults

  #point(moment: string): void {
    if (!this.#isRecording) return
    const index = this.points.length
    this.points.push({ exchange: this.#exchange, moment })
    for (const fault of this.options.faults) if (fault.at === index) this.#strike(fault)
  }

  #strike({ kind, victim }: Fault): void {
    if (kind === 'key-change') return this.#changeKey()
    const member = this.members.get(victim ?? this.#ownerNow() ?? '')
    if (member === undefined || this.#stale.has(member)) return
    this.atStrike ??= { pending: this.peer.ike.pending, logLength: this.log.length, exchange: this.#exchange }
    this.struck.push(member)
    const theirs = this.steps!.filter(({ from }) => from === member)
    const isKept = ({ from, kind: of }: Step): boolean => from !== member || (kind === 'stale' && of === 'datagram')
    this.steps = this.steps!.filter(isKept)
    if (kind === 'stale') this.#stale.add(member)
    else this.#dead.add(member)
    if (kind === 'restarts') {
      const reborn = this.restart(member.id)
      this.#letApply([reborn], null)
      this.steps.push(...theirs)
      return
    }
    if (kind !== 'stale') this.members.delete(member.id)
    if (kind === 'late') this.peer.retransmit()
    if (kind !== 'unnoticed')
      this.steps.push({ from: null, kind: 'other', moment: 'notice', run: () => this.#noticed(member, kind, theirs) })
  }

  #changeKey(): void {
    const to = sealingKeyId(nextSealingKey)
    for (const command of [
      { type: 'set-cluster-version', version: 2 },
      { type: 'set-sealing-key', from: noSealingKey, to },
    ] as const)
      this.log.push({ octets: encodeCommand(command), member: null, serial: 0 })
    this.#letApply(this.healthy, null)
    const run = (): void => this.healthy.forEach(({ control }) => control.tick(this.now))
    this.steps!.push({ from: null, kind: 'other', moment: 'tick', run })
  }

  /** What the one who was struck had on its way comes last, if it comes. */
  #noticed(member: Member, kind: FaultKind, theirs: readonly Step[]): void {
    this.#declareDown(member)
    if (kind === 'late') this.steps!.push(...theirs)
    if (kind === 'stale') this.steps!.push(...theirs.filter((step) => step.kind === 'proposal'))
  }

  /** Whatever incarnation of it the agreed state has, unless the gateway is there again. */
  #declareDown({ id }: Member): void {
    const [witness] = this.healthy
    const current = witness?.control.state.incarnations.current(id)
    if (current === undefined || this.healthy.some((member) => member.id === id)) return
    this.log.push({ octets: encodeCommand({ type: 'gateway-down', incarnation: current.number }), member: null, serial: 0 })
    this.#letApply(this.healthy, null)
  }

  #ownerNow(): string | null {
    const [member] = this.healthy
    const now = member === undefined ? null : ownership(member.control.state, this.peerSession)
    return now?.ownerUp ? now.gateway : null
  }

  // ---- time

  /** Everything that is on its way arrives, and what comes of it. */
  drain(): void {
    for (let count = 0; this.steps!.length > 0; count++) {
      if (count === 2000) throw new Error('the cluster does not come to rest')
      const step = this.steps!.shift()!
      const before = this.points.length
      step.run()
      // The last effect of a step is its end: who dies between the two leaves the same behind.
      if (this.points.length === before) this.#point(step.moment)
    }
  }

  override pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += TICK_MS
      for (const { control } of this.members.values()) control.tick(this.now)
      this.drain()
    }
  }

  /** Everybody notices who is gone. */
  notice(): void {
    for (const member of this.struck) this.#declareDown(member)
    this.drain()
  }

  /** Who was cut off hears the log again, and what it proposed meanwhile comes to it. */
  heal(): void {
    const back = [...this.#stale]
    this.#stale.clear()
    this.#letApply(back, null)
    this.drain()
  }
}

function exchangeName({ exchange }: IkeHeader): string {
  return Object.entries(exchangeType).find(([, type]) => type === exchange)?.[0] ?? `exchange ${exchange}`
}

function countCrowd({ control }: Member): void {
  Object.defineProperty(control.state.unauthenticated, 'count', { value: defaultIkeLimits.cookieFrom })
}

/** All that a state means, but for its clock. */
function meaning(state: State): string {
  return digest(state)
    .split('\n')
    .filter((line) => !line.startsWith('clock '))
    .join('\n')
}
