/**
 * All checkers of a gateway cluster, told of everything at the place where it happens (DESIGN.md §1, and figure 3 of the Raft paper). What is
 * committed is judged the moment a leader commits it, against a state of the judges' own.
 */

import { decodeCommand } from '../../src/session/commands.ts'
import type { Result } from '../../src/session/results.ts'
import type { State } from '../../src/session/state.ts'
import type { Effects } from '../../raft/effects.ts'
import type { Envelope } from '../../raft/message.ts'
import type { LogBase } from '../../raft/log.ts'
import { decodeMembership, membershipOf } from '../../raft/membership.ts'
import type { Raft } from '../../raft/state.ts'
import { formatAddress } from '../../src/context/address.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { spiOf } from '../../src/esp/packet.ts'
import type { AppendFailure } from '../../src/gateway/proposals.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { parseUdpPacket } from '../../src/kit/ip-packet.ts'
import { Delivery } from '../../src/store/delivery.ts'
import { decodeEnvelope } from '../../src/store/envelope.ts'
import { decodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { AddressBinding } from './checkers/address-binding.ts'
import { ClientAddress } from './checkers/client-address.ts'
import { Conservation } from './checkers/conservation.ts'
import { ExchangeAgreement } from './checkers/exchange-agreement.ts'
import { GrantedLimits } from './checkers/granted-limits.ts'
import { OnePendingExchange } from './checkers/one-pending-exchange.ts'
import { ReplayAcceptance } from './checkers/replay-acceptance.ts'
import { ReplyPath } from './checkers/reply-path.ts'
import { SequenceNumberReuse } from './checkers/sequence-number-reuse.ts'
import { ServingLease } from './checkers/serving-lease.ts'
import { StaleOwner } from './checkers/stale-owner.ts'
import { Violation } from './checkers/violation.ts'
import type { ApplyHook } from './hook.ts'
import type { Mark } from './marks.ts'
import { markOfPacket, nameOfMark } from './marks.ts'
import { MeshWays, nameOfEsp } from './mesh-ways.ts'
import { RaftCheckers } from './raft/checkers.ts'
import { DiskCheckers } from './raft/disk-checkers.ts'
import type { Machine } from './raft/machine.ts'

/** A serving lease (2 s) by the slowest clock, and what a message takes from core to core. */
const SLOWEST_LEASE_MS = 2045

export interface JudgesOptions {
  readonly hook: ApplyHook | null
  readonly ids: readonly string[]
  readonly nowMs: () => number
  readonly natTPort: number
  readonly machine: (id: string) => Machine
  /** Of the processes that run. */
  readonly cores: () => readonly Raft[]
  /** A command is committed for the first time; `index` counts commands. */
  readonly onCommitted: (index: number, octets: Bytes, result: Result) => void
}

export class Judges {
  readonly raft: RaftCheckers
  readonly sequenceNumbers = new SequenceNumberReuse()
  readonly replays = new ReplayAcceptance()
  readonly exchanges = new ExchangeAgreement()
  readonly bindings = new AddressBinding()
  readonly addresses = new ClientAddress()
  readonly conservation = new Conservation()
  readonly meshWays = new MeshWays()
  readonly limits: GrantedLimits
  readonly staleOwners: StaleOwner
  readonly #leases: ServingLease
  readonly #disks: DiskCheckers
  /** How much was committed when a disk was lost. */
  readonly #committedAtLoss = new Map<string, number>()
  readonly #pendingExchanges = new OnePendingExchange()
  readonly #replyPath = new ReplyPath()
  readonly #o: JudgesOptions
  /** Commands of which an append ended without a certain outcome. */
  readonly #uncertain = new Set<string>()
  readonly #delivery = new Delivery()
  /** Inner packets that gateways delivered, by client. */
  readonly delivered = new Map<string, number>()
  /** How often a leader's snapshot took the place of a gateway's state. */
  snapshots = 0
  /** How often a gateway that had lost its disk was a member again. */
  rejoined = 0

  constructor(options: JudgesOptions) {
    this.#o = options
    this.raft = new RaftCheckers(
      (id, entry) => options.machine(id).hasDurably(entry),
      ({ kind, data }) => (kind === 'command' ? nameOf(decodeEnvelope(data).id) : ''),
    )
    this.#leases = new ServingLease(SLOWEST_LEASE_MS, membershipOf({ voters: options.ids, outgoingVoters: null, learners: [] }))
    this.#disks = new DiskCheckers(options.machine)
    this.staleOwners = new StaleOwner(options.hook)
    this.limits = new GrantedLimits(this.staleOwners.state)
  }

  /** After all that is committed. */
  get state(): State {
    return this.staleOwners.state
  }

  /** How many commands are committed. */
  get commands(): number {
    return this.#delivery.index
  }

  // ---- the log

  raftStep(raft: Raft, effects: Effects): void {
    const count = this.raft.afterStep(raft, effects)
    this.#disks.afterStep(raft)
    if (count > 0) this.#committed(count)
    this.#maybeRecovered(raft)
  }

  /** A message leaves a process. */
  raftSent(raft: Raft, envelope: Envelope): void {
    this.raft.onSent(raft.id, envelope)
    this.#maybeRecovered(raft)
    this.#disks.onSent(raft, envelope)
  }

  /** A gateway's disk has lost what it held. */
  diskLost(gateway: string): void {
    this.#committedAtLoss.set(gateway, this.raft.committed.length)
  }

  #maybeRecovered(raft: Raft): void {
    const lost = this.#o.machine(raft.id).maybeRecovered(raft)
    if (lost === null) return
    this.rejoined += 1
    const committed = this.raft.committed.slice(0, this.#committedAtLoss.get(raft.id))
    this.#disks.onRecovered(raft.id, lost.hardState, committed, this.#o.cores())
  }

  installed(gateway: string, mark: LogBase): void {
    this.raft.onInstalled(gateway, mark)
    this.snapshots += 1
  }

  /** A gateway gives the log this command, for the first time or again. */
  proposed(gateway: string, octets: Bytes): void {
    this.#pendingExchanges.proposed(gateway, octets)
  }

  /** What the log told a proposer. Dropped is dropped for good, unless another copy of the same command had no certain end. */
  appendFailed(client: bigint, serial: number, failure: AppendFailure): void {
    const name = nameOf({ client, serial })
    if (failure === 'unknown') this.#uncertain.add(name)
    if (failure === 'dropped' && !this.#uncertain.has(name)) this.raft.onDropped(name)
  }

  /** The log told a proposer that its command is committed. */
  appendCommitted(client: bigint, serial: number, { index, term }: LogBase): void {
    const entry = this.raft.committed[index - 1]
    const isThere = entry !== undefined && entry.term === term && entry.kind === 'command'
    const { id } = isThere ? decodeEnvelope(entry.data) : { id: null }
    if (id === null || id.client !== client || id.serial !== serial)
      throw new Violation('acknowledged', `${nameOf({ client, serial })} was acknowledged at ${index} of term ${term}, and is not there`)
  }

  /** A gateway takes part in the agreement on states, and says that it is alone with its own. */
  diverged(gateway: string, applied: number): void {
    throw new Violation('S5', `${gateway} made something else of the first ${applied} commands than the others`)
  }

  #committed(count: number): void {
    const entries = this.raft.committed.slice(-count)
    for (const { kind, data } of entries) if (kind === 'configuration') this.#leases.committed(decodeMembership(data), this.#o.nowMs())
    const commands = entries.filter(({ kind }) => kind === 'command')
    for (const { index, command } of this.#delivery.take(commands).commands) {
      const result = this.staleOwners.committed(command)
      this.#pendingExchanges.committed(command)
      this.limits.committed(decodeCommand(command))
      this.#o.onCommitted(index, command, result)
    }
  }

  // ---- packets

  /** A gateway sends a datagram to a client, of its own or for another. */
  sentOuter(from: string, local: Endpoint, remote: Endpoint, datagram: Bytes): void {
    if (!this.#replyPath.isForAnother(from, datagram)) this.#made(from, local, remote, datagram)
  }

  sentMesh(from: string, to: string, octets: Bytes): void {
    const reply = this.#replyPath.given(from, to, octets)
    if (reply !== null) this.#made(from, reply.local, reply.remote, reply.datagram)
    this.meshWays.sent(octets)
  }

  receivedMesh(gateway: string, from: string, message: Bytes, run: () => void): void {
    this.#leases.heard(gateway, from, this.#o.nowMs())
    this.#replyPath.received(gateway, message, run)
  }

  /** The network between gateways has made so many copies of a message. */
  copiedMesh(octets: Bytes, copies: number): void {
    const mark = copies > 1 ? innerMarkOf(octets) : null
    if (mark !== null) for (let i = 1; i < copies; i++) this.conservation.repeated(mark)
  }

  /** A gateway made a datagram, wherever it leaves. */
  #made(from: string, local: Endpoint, remote: Endpoint, datagram: Bytes): void {
    const isNatT = local.port === this.#o.natTPort
    if (!isNatT || spiOf(datagram) === 0) {
      const message = isNatT ? datagram.subarray(4) : datagram
      this.sequenceNumbers.ike(from, message)
      this.exchanges.ike(from, message, remote)
    } else {
      this.sequenceNumbers.esp(from, datagram)
      this.limits.espSent(from, datagram)
      this.addresses.espSent(from, spiOf(datagram), remote)
      this.#leases.serves(from, this.#o.nowMs())
    }
  }

  /** A gateway delivers an inner packet to the trusted host. */
  deliveredInner(from: string, packet: Bytes): void {
    const [inner, mark] = [parseUdpPacket(packet), markOfPacket(packet)]
    if (inner === null || mark === null) throw new Violation('S6', `${from} delivered a packet that nobody sent`)
    const name = nameOfMark(mark)
    this.conservation.delivered(from, mark)
    const sent = this.limits.sentAs(name)
    if (sent !== null) this.meshWays.arrived(nameOfEsp(sent.spiIn, sent.sequence))
    this.#leases.serves(from, this.#o.nowMs())
    this.replays.delivered(from, name)
    this.limits.accepted(from, name)
    this.bindings.fromClient(mark.client, formatAddress(inner.source))
    this.delivered.set(mark.client, (this.delivered.get(mark.client) ?? 0) + 1)
  }
}

function nameOf({ client, serial }: { readonly client: bigint; readonly serial: number }): string {
  return `${client}/${serial}`
}

/** Of an inner packet on the mesh; null: it carries something else. */
function innerMarkOf(message: Bytes): Mark | null {
  const decoded = decodeMeshMessage(message)
  return decoded.type === 'inner' ? markOfPacket(decoded.packet) : null
}
