/**
 * A session that this gateway owns, as the packet core has it: exact counters and windows, and how far they may go (protocol.md rules
 * 10–13). `frozen` and `stop` only ever hold back; what lifts them is an applied command.
 */

import type { EspCipher, EspCrypto } from '../../kit/esp-crypto.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { copyOf } from '../../kit/bytes.ts'
import type { Grant } from '../../context/grants.ts'
import { limitAt, maximumSequence } from '../../context/grants.ts'
import type { Traffic } from '../../context/traffic.ts'
import { addTraffic, lessTraffic, noTraffic } from '../../context/traffic.ts'
import type { Endpoint, TrafficSelector } from '../../context/session-context.ts'
import { sameEndpoint } from '../../context/session-context.ts'
import { ReplayWindow } from '../../esp/replay-window.ts'
import type { Carried } from '../session-counts.ts'
import type { AppliedGrant, ChildInstall, SessionInstall } from '../packet-messages.ts'
import { LoadMeter } from './load-meter.ts'
import type { QueueBudget } from './packet-queue.ts'
import { PacketQueue } from './packet-queue.ts'
import { Position } from './position.ts'
import { RateMeter } from './rate-meter.ts'

/** An authentic packet beyond the horizon, as it came: it is opened again when it may be accepted, or follows the session elsewhere. */
export interface BeyondHorizon {
  readonly sequence: number
  readonly datagram: Bytes
  readonly local: Endpoint
  readonly remote: Endpoint
}

/** A packet of a frozen session, as it came. */
export type Held =
  | { readonly type: 'outer'; readonly datagram: Bytes; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly type: 'inner'; readonly packet: Bytes }

/** Of one Child SA that wait for its horizon, or for its ceiling: half a second of 16 Mbit/s. */
const WAIT_OCTETS = 1_048_576
/** A frozen session's packets wait for the end of the transfer, which a slow commit may delay. */
const HELD_MS = 5000
const HELD_OCTETS = 1_048_576

/** What packets that wait are bounded by: the gateway's budget, and the time that they may wait for a limit. */
export interface WaitLimits {
  readonly budget: QueueBudget
  readonly limitWaitMs: number
}

const nothingAsked: { readonly limit: number; readonly atMs: number } = { limit: 0, atMs: -Infinity }

export class OwnedChild {
  readonly spiIn: number
  readonly spiOut: number
  readonly esn: 0 | 1
  /** The largest number of the SA. */
  readonly maximum: number
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
  readonly cipherIn: EspCipher
  readonly cipherOut: EspCipher
  readonly session: OwnedSession
  /** The next number to send. */
  next: number
  ceiling: Grant
  horizon: Grant
  readonly window: ReplayWindow
  /** Nothing above is accepted, whatever the horizon says, until a record with a serial above `stopSerial` was applied. */
  stop = Infinity
  stopSerial = 0
  readonly beyondHorizon: PacketQueue<BeyondHorizon>
  /** Of its numbers; those that were dropped since may have been lower, or higher. */
  #lowestWaiting = Infinity
  #highestWaiting = 0
  readonly beyondCeiling: PacketQueue<Bytes>
  /** Nothing is sent by it where there is another one. */
  isClosing: boolean
  readonly #isKnownToClient: boolean
  readonly meterIn: RateMeter
  readonly meterOut = new RateMeter()
  readonly position = new Position()
  /** What was last asked for and is not applied yet; asked again when it is old. `limit` 0: only a rate. */
  askedHorizon = nothingAsked
  askedCeiling = nothingAsked
  /** When a lower horizon was last proposed. */
  shrunkAtMs = -Infinity
  packetsIn = 0
  packetsOut = 0
  octetsIn = 0
  octetsOut = 0

  constructor(session: OwnedSession, install: ChildInstall, ciphers: { in: EspCipher; out: EspCipher }, waits: WaitLimits) {
    this.session = session
    this.spiIn = install.spiIn
    this.spiOut = install.spiOut
    this.esn = install.suite.esn
    this.maximum = maximumSequence(install.suite.esn)
    this.localTs = install.localTs
    this.remoteTs = install.remoteTs
    this.cipherIn = ciphers.in
    this.cipherOut = ciphers.out
    this.next = install.start
    this.ceiling = install.ceiling
    this.horizon = install.horizon
    this.window = new ReplayWindow(install.floor, install.window)
    this.isClosing = install.isClosing === true
    this.#isKnownToClient = install.initiatedByUs === true
    this.meterIn = new RateMeter(install.horizon.rate)
    const limits = { octets: WAIT_OCTETS, ageMs: waits.limitWaitMs }
    this.beyondHorizon = new PacketQueue(limits, waits.budget)
    this.beyondCeiling = new PacketQueue(limits, waits.budget)
  }

  /** Whether the client is known to have it: it has answered our offer of it, or has used it in this tenure. */
  get isInUse(): boolean {
    return this.#isKnownToClient || this.window.highest > this.window.floor
  }

  /** The highest number accepted. */
  get highest(): number {
    return this.window.highest
  }

  get isWaiting(): boolean {
    return this.beyondHorizon.length > 0 || this.beyondCeiling.length > 0
  }

  /** Rule 12: nothing above `to` is accepted until a record after `serial` was applied. */
  stopAt(to: number, serial: number): void {
    this.stop = Math.min(this.stop, to)
    this.stopSerial = serial
  }

  /** Returns how many were dropped for it. */
  waitForHorizon(packet: BeyondHorizon, nowMs: number): number {
    this.#lowestWaiting = Math.min(this.#lowestWaiting, packet.sequence)
    this.#highestWaiting = Math.max(this.#highestWaiting, packet.sequence)
    return this.beyondHorizon.push(packet, packet.datagram.length, nowMs)
  }

  /** Of the packets that wait for the horizon; 0: none does. */
  get highestWaiting(): number {
    return this.#highestWaiting
  }

  /** Drops what has waited too long; returns how many. */
  expireBeyondHorizon(nowMs: number): number {
    const dropped = this.beyondHorizon.expire(nowMs)
    if (dropped > 0) this.#siftBeyondHorizon(() => false)
    return dropped
  }

  /** Gives those away that are within the horizon by now, the oldest first. */
  acceptWaiting(tick: number, accept: (packet: BeyondHorizon) => void): void {
    // Looked at every few milliseconds: an outage of the log is no reason to go through all of them each time.
    if (!this.isWithinHorizon(this.#lowestWaiting, tick)) return
    this.#siftBeyondHorizon((packet) => {
      const isWithin = this.isWithinHorizon(packet.sequence, tick)
      if (isWithin) accept(packet)
      return isWithin
    })
  }

  #siftBeyondHorizon(isTaken: (packet: BeyondHorizon) => boolean): void {
    this.#lowestWaiting = Infinity
    this.#highestWaiting = 0
    this.beyondHorizon.sift((packet) => {
      if (isTaken(packet)) return true
      this.#lowestWaiting = Math.min(this.#lowestWaiting, packet.sequence)
      this.#highestWaiting = Math.max(this.#highestWaiting, packet.sequence)
      return false
    })
  }

  /** Limits in force after a record or a renewal was applied; `serial`: the last one applied. */
  granted(ceiling: Grant, horizon: Grant, serial: number): void {
    this.ceiling = ceiling
    this.horizon = horizon
    if (serial > this.stopSerial) this.stop = Infinity
  }

  /** Nothing waits any more; returns what did, as it came. */
  takeWaiting(): Held[] {
    this.#lowestWaiting = Infinity
    this.#highestWaiting = 0
    return [
      ...this.beyondHorizon.takeAll().map(({ datagram, local, remote }): Held => ({ type: 'outer', datagram, local, remote })),
      ...this.beyondCeiling.takeAll().map((packet): Held => ({ type: 'inner', packet })),
    ]
  }

  /** All that what it does from now on depends on, but for its keys and selectors. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const { spiIn, isClosing, next, ceiling, horizon, stop, stopSerial, askedHorizon, askedCeiling, meterIn, meterOut, position } = this
    const { floor } = this.window
    return [
      [spiIn, isClosing, next, ceiling, horizon, floor, this.window.state(), stop === Infinity ? null : [stop, stopSerial]],
      [askedHorizon.limit, ageOf(askedHorizon.atMs), askedCeiling.limit, ageOf(askedCeiling.atMs), ageOf(this.shrunkAtMs)],
      [meterIn.inspect(), meterOut.inspect(), position.inspect()],
      [this.beyondHorizon.inspect(ageOf), this.beyondCeiling.inspect(ageOf)],
    ]
  }

  /** The SA is gone, and its keys with it. */
  close(): void {
    this.cipherIn.close()
    this.cipherOut.close()
  }

  /** Rule 11, sending: `n = next < ceiling`. */
  maySend(tick: number): boolean {
    return !this.session.frozen && this.next < limitAt(this.ceiling, tick, this.maximum)
  }

  /** Rule 11, accepting: `n <= min(horizon, stop)`; the floor and the window are the window's. */
  isWithinHorizon(sequence: number, tick: number): boolean {
    return sequence <= Math.min(limitAt(this.horizon, tick, this.maximum), this.stop)
  }
}

export class OwnedSession {
  readonly session: number
  readonly since: number
  epoch: number
  /** The last serial issued in this tenure: strictly increasing, never taken from what was applied meanwhile. */
  serial: number
  local: Endpoint
  remote: Endpoint
  follow: boolean
  virtualIps: readonly Bytes[]
  /** The oldest first. */
  children: OwnedChild[] = []
  frozen = false
  readonly load: LoadMeter
  /** Looked after by the grant keeper. */
  isActive = false
  readonly held: PacketQueue<Held>
  /** The client's address moved, and no record that says so was applied yet: every record says it until then. */
  hasMoved = false
  /** The first serial since then, and when the last record that says it was proposed. */
  movedSerial = 0
  movedAtMs = -Infinity
  readonly #crypto: EspCrypto
  readonly #waits: WaitLimits
  #installedRemote: Endpoint
  /** What Child SAs that are gone have carried, and what of all was taken into account. */
  #carriedByFormer = noTraffic
  #accounted = noTraffic
  /** When the first packet of the tenure was carried, either way; 0: none was yet. */
  firstMs = 0
  #isFirstTold = false

  constructor(install: SessionInstall, crypto: EspCrypto, waits: WaitLimits) {
    this.session = install.session
    this.since = install.since
    this.epoch = install.epoch
    this.serial = install.serial
    this.local = install.local
    this.remote = install.remote
    this.#installedRemote = install.remote
    this.follow = install.follow
    this.virtualIps = install.virtualIps
    this.load = new LoadMeter(install.packetsPerSecond ?? 0)
    this.held = new PacketQueue({ octets: HELD_OCTETS, ageMs: HELD_MS }, waits.budget)
    this.#crypto = crypto
    this.#waits = waits
    this.children = this.#childrenOf(install)
  }

  /** The same tenure in a newer state: known children keep their counters (rule 10). Returns what waited in those that are gone, as it came. */
  update(install: SessionInstall): Held[] {
    if (install.epoch > this.epoch) this.reclaim(install.epoch)
    this.local = install.local
    if (!sameEndpoint(install.remote, this.#installedRemote)) {
      // A record that says where the client was before may be on its way still, and be applied after this: then the next one says this.
      if (this.hasMoved) this.moved(install.remote)
      else this.remote = install.remote
      this.#installedRemote = install.remote
    }
    this.follow = install.follow
    this.virtualIps = install.virtualIps
    const before = this.children
    this.children = this.#childrenOf(install)
    return before
      .filter((child) => !this.children.includes(child))
      .flatMap((child) => {
        this.#carriedByFormer = addTraffic(this.#carriedByFormer, child)
        child.close()
        return child.takeWaiting()
      })
  }

  /** What it has carried since this was last asked, in this tenure, and once when it did first. */
  takeCarried(): Traffic & Pick<Carried, 'firstMs'> {
    const carried = this.children.reduce(addTraffic, this.#carriedByFormer)
    const since = lessTraffic(carried, this.#accounted)
    this.#accounted = carried
    const firstMs = this.#isFirstTold ? 0 : this.firstMs
    this.#isFirstTold = this.firstMs !== 0
    return { ...since, firstMs }
  }

  /** Rule 10, same tenure and a new epoch: go on with own counters and window, unfrozen, the stop lifted; old proposals are void. */
  reclaim(epoch: number): void {
    this.epoch = epoch
    this.frozen = false
    for (const child of this.children) {
      child.stop = Infinity
      child.askedHorizon = nothingAsked
      child.askedCeiling = nothingAsked
      child.shrunkAtMs = -Infinity
    }
  }

  granted(grant: AppliedGrant): void {
    if (grant.epoch !== this.epoch) return
    if (this.hasMoved && grant.serial >= this.movedSerial) {
      this.hasMoved = false
      // The agreed state says so, too: an install with another address is newer.
      this.#installedRemote = this.remote
    }
    for (const { spiIn, ceiling, horizon } of grant.children) {
      this.children.find((candidate) => candidate.spiIn === spiIn)?.granted(ceiling, horizon, grant.serial)
    }
  }

  /** The client is somewhere else now. */
  moved(remote: Endpoint): void {
    this.remote = { address: copyOf(remote.address), port: remote.port }
    this.hasMoved = true
    this.movedSerial = this.serial + 1
  }

  /** Nothing waits any more; returns what did, as it came. */
  takeWaiting(): Held[] {
    return [...this.children.flatMap((child) => child.takeWaiting()), ...this.held.takeAll()]
  }

  /** All that what it does from now on depends on. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const { session, since, epoch, serial, local, remote, follow, frozen, isActive, hasMoved, movedSerial, movedAtMs } = this
    return [
      [session, since, epoch, serial, local, remote, follow, frozen, isActive],
      hasMoved ? [movedSerial, ageOf(movedAtMs)] : null,
      this.load.inspect(ageOf),
      this.held.inspect(ageOf),
      this.children.map((child) => child.inspect(ageOf)),
    ]
  }

  /** The tenure is over. What waits can still be taken out. */
  close(): void {
    for (const child of this.children) child.close()
  }

  /**
   * The Child SA to send by, of those that may carry the packet: the newest that the client is known to have. During a rekey of the client's
   * that is the old one until a packet came in by the new one (RFC 7296 §2.8: the client may not have the new one yet). What came to an
   * earlier owner doesn't count after its end, for its horizon says only what may have come; and the old one is right until the client
   * deletes it. During a rekey of ours it is the new one at once: the client has it since it answered, and drops the old one soon.
   */
  outboundChild(mayCarry: (child: OwnedChild) => boolean): OwnedChild | null {
    // Nearly always there is one, and no list to be made for each packet.
    if (this.children.length === 1) return mayCarry(this.children[0]!) ? this.children[0]! : null
    const able = this.children.filter(mayCarry)
    const staying = able.filter(({ isClosing }) => !isClosing)
    return staying.findLast(({ isInUse }) => isInUse) ?? staying[0] ?? able.at(-1) ?? null
  }

  nextSerial(): number {
    this.serial += 1
    return this.serial
  }

  #childrenOf(install: SessionInstall): OwnedChild[] {
    const children: OwnedChild[] = []
    for (const wanted of install.children) {
      const known = this.children.find(({ spiIn }) => spiIn === wanted.spiIn)
      const child = known ?? this.#open(wanted)
      if (child === null) continue
      child.granted(wanted.ceiling, wanted.horizon, install.serial)
      child.isClosing = wanted.isClosing === true
      children.push(child)
    }
    return children
  }

  /** Null: its algorithms are not supported here; nothing of it is carried. */
  #open(wanted: ChildInstall): OwnedChild | null {
    const cipherIn = this.#crypto.cipher(wanted.suite, wanted.keyIn)
    const cipherOut = this.#crypto.cipher(wanted.suite, wanted.keyOut)
    if (cipherIn === null || cipherOut === null) {
      cipherIn?.close()
      cipherOut?.close()
      return null
    }
    return new OwnedChild(this, wanted, { in: cipherIn, out: cipherOut }, this.#waits)
  }
}
