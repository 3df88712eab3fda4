/**
 * The packet core of a gateway: datagrams, ESP, forwarding, and the exact counters of the sessions that this gateway owns. No I/O: inputs
 * are method calls with the monotonic time, effects go out through `PacketEffects`. control.ts is its other half.
 *
 * A packet of a session of ours is accepted or sent only inside what the log granted to our incarnation (protocol.md rules 10–13); one of
 * another gateway's session is forwarded over the mesh; one that nobody here knows waits a moment for the control core's answer.
 */

import type { Bytes } from '../kit/bytes.ts'
import { copyOf } from '../kit/bytes.ts'
import type { EspCrypto } from '../kit/esp-crypto.ts'
import { DecodeError } from '../kit/wire.ts'
import type { Endpoint } from '../context/session-context.ts'
import { sameEndpoint } from '../context/session-context.ts'
import { highOf } from '../esp/extended-sequence.ts'
import { encapsulate, innerPacket, numberOf, spiOf } from '../esp/packet.ts'
import { isForwardedIke } from './control-message.ts'
import type { MeshMessage } from './mesh-message.ts'
import { MAX_HOPS, decodeMeshMessage, encodeMeshMessage } from './mesh-message.ts'
import type { FromPackets, RouteKey, SessionInstall, ToPackets } from './packet-messages.ts'
import { CountTeller } from './packets/count-teller.ts'
import { DropCounters } from './packets/drops.ts'
import { GrantKeeper } from './packets/grant-keeper.ts'
import type { InnerFlow } from './packets/inner-policy.ts'
import { inboundDrop, innerFlow, isOutboundAllowed } from './packets/inner-policy.ts'
import type { BeyondHorizon, Held, OwnedChild } from './packets/owned-session.ts'
import { OwnedSession } from './packets/owned-session.ts'
import { QueueBudget } from './packets/packet-queue.ts'
import type { ReplyOptions } from './packets/reply-path.ts'
import { ReplyPath } from './packets/reply-path.ts'
import { Reporter } from './packets/report.ts'
import type { Route, RouteName } from './packets/routes.ts'
import { Parking, Routes, addressName, nameOf } from './packets/routes.ts'
import { ServingLease } from './packets/serving-lease.ts'
import { TokenBucket } from './packets/token-bucket.ts'
import { TunnelMtu } from './packets/tunnel-mtu.ts'

export interface PacketEffects {
  /** To a client, from a local endpoint of the cluster; an IKE message already has its marker. The octets are the receiver's only until it returns. */
  sendOuter(local: Endpoint, remote: Endpoint, datagram: Bytes): void
  /** To the trusted side. The octets are the receiver's only until it returns. */
  deliverInner(packet: Bytes): void
  sendMesh(gateway: string, message: Bytes): void
  toControl(message: FromPackets): void
}

export interface PacketOptions {
  readonly self: string
  readonly crypto: EspCrypto
  readonly effects: PacketEffects
  readonly horizonMs: number
  /** For so long packets wait for a limit that is not committed: longer than it takes until there is a leader again. */
  readonly limitWaitMs: number
  /** The largest inner packet, in octets. */
  readonly mtu: number
  /** Addresses of the gateway itself on the trusted side: nothing but ICMP is delivered to them. */
  readonly ownInnerAddresses: readonly Bytes[]
  /** Ports on which ESP and IKE behind a non-ESP marker arrive (RFC 3948); others carry plain IKE. */
  readonly natTPorts: readonly number[]
  readonly reply: ReplyOptions
  /** Others declare a gateway down that was silent for so long. */
  readonly gatewayDownMs: number
}

/** A packet on its way to its owner. `epoch` and `hops`: as the mesh brought it; 0: from outside. */
type Outer = Extract<Held, { type: 'outer' }> & { readonly epoch: number; readonly hops: number }
type Inner = Extract<Held, { type: 'inner' }> & { readonly epoch: number; readonly hops: number }
type Travelling = Outer | Inner

/** Of all packets that wait for limits or transfers, and of those that wait for a route, on one gateway. */
const WAITING_OCTETS = 64 * 2 ** 20
const PARKED_OCTETS = 4 * 2 ** 20
const MARKER_OCTETS = 4
const MINIMUM_ESP_OCTETS = 32
/** More than UDP carries. */
const MAX_DATAGRAM_OCTETS = 65_536
const IKE_HEADER_OCTETS = 28
/** IKE datagrams a second that reach the control core, and at once: it shares its thread with the log, and its mailbox has no bound of its own. */
const IKE_PER_SECOND = 20_000
const IKE_BURST = 4000
/** The same of IKE_SA_INIT alone, which needs no session: a flood of it leaves room for those who have one. */
const INIT_PER_SECOND = 5000
const INIT_BURST = 1000
/** Where the exchange type is, and that of IKE_SA_INIT (RFC 7296 §3.1). */
const IKE_EXCHANGE_OFFSET = 18
const IKE_SA_INIT = 34

export class PacketCore {
  readonly drops = new DropCounters()
  readonly #o: PacketOptions
  readonly #sessions = new Map<number, OwnedSession>()
  readonly #bySpi = new Map<number, OwnedChild>()
  readonly #byAddress = new Map<RouteName, OwnedSession>()
  readonly #routes = new Routes()
  readonly #budget = new QueueBudget(WAITING_OCTETS)
  readonly #parking = new Parking<Travelling>(new QueueBudget(PARKED_OCTETS))
  /** Where packets wait for a limit, and for the end of a transfer. */
  readonly #waiting = new Set<OwnedChild>()
  readonly #holding = new Set<OwnedSession>()
  readonly #grants: GrantKeeper
  readonly #mtu: TunnelMtu
  readonly #reporter = new Reporter()
  readonly #teller = new CountTeller()
  readonly #replyPath: ReplyPath
  readonly #ikeBucket = new TokenBucket(IKE_PER_SECOND, IKE_BURST)
  /** Each gateway lets as many through, and a client chooses whom it sends to. */
  readonly #forwardedBucket = new TokenBucket(IKE_PER_SECOND, IKE_BURST)
  readonly #initBucket = new TokenBucket(INIT_PER_SECOND, INIT_BURST)
  /** Where packets are opened and sealed: new memory for each would cost more than the rest of its way. */
  readonly #opening = new Uint8Array(MAX_DATAGRAM_OCTETS)
  readonly #sealing = new Uint8Array(MAX_DATAGRAM_OCTETS)
  readonly #lease: ServingLease
  #incarnation = 0

  constructor(options: PacketOptions) {
    this.#o = options
    this.#mtu = new TunnelMtu(options.mtu, options.ownInnerAddresses)
    this.#replyPath = new ReplyPath(options.self, options.reply)
    this.#lease = new ServingLease(options.gatewayDownMs)
    this.#grants = new GrantKeeper(options.horizonMs, (advance) => options.effects.toControl(advance))
  }

  // ---- inputs

  /** A datagram of a client. Its octets are the core's only until it returns, and are not changed: what waits is a copy. */
  outer(datagram: Bytes, local: Endpoint, remote: Endpoint, nowMs: number): void {
    if (!this.#o.natTPorts.includes(local.port)) return this.#ike(datagram, local, remote, nowMs)
    if (datagram.length === 1) return this.drops.count('nat-keepalive')
    if (datagram.length < MARKER_OCTETS) return this.drops.count('outer-short')
    if (spiOf(datagram) === 0) return this.#ike(datagram.subarray(MARKER_OCTETS), local, remote, nowMs)
    this.#travel({ type: 'outer', datagram, local, remote, epoch: 0, hops: 0 }, nowMs)
    this.#grants.flush(nowMs)
  }

  /** An IP packet of the trusted side. Its octets are the core's only until it returns; they may be changed. */
  inner(packet: Bytes, nowMs: number): void {
    this.#travel({ type: 'inner', packet, epoch: 0, hops: 0 }, nowMs)
    this.#grants.flush(nowMs)
  }

  /** A message of another gateway, authenticated. */
  mesh(gateway: string, octets: Bytes, nowMs: number): void {
    const message = this.#decodeMesh(octets)
    if (message === null) return
    if (message.type === 'control') this.#meshControl(gateway, message.payload, nowMs)
    else if (message.type === 'reply') this.#relay(message, nowMs)
    else this.#travel(message, nowMs)
    this.#grants.flush(nowMs)
  }

  control(message: ToPackets, nowMs: number): void {
    this.#obey(message, nowMs)
    this.#grants.flush(nowMs)
  }

  /** Every few ms. */
  tick(nowMs: number): void {
    // Asked every few ms, whatever arrives: a question after a long silence is a standstill.
    this.isServing(nowMs)
    this.drops.count('parked-expired', this.#parking.expire(nowMs))
    this.#askForRoutes(nowMs, false)
    for (const session of this.#holding) {
      this.drops.count('held-expired', session.held.expire(nowMs))
      if (session.held.length === 0) this.#holding.delete(session)
    }
    for (const child of this.#waiting) this.#retry(child, nowMs)
    if (this.#incarnation !== 0) this.#grants.step(nowMs)
    const counts = this.#teller.tell(nowMs)
    if (counts !== null) this.#o.effects.toControl({ type: 'counted', ...counts })
    const report = this.#reporter.report(this.drops, nowMs)
    if (report !== null) this.#o.effects.toControl({ type: 'report', report })
  }

  /**
   * All that what it does from now on depends on, as plain values: two cores that give the same do the same. Left out are counters, the serving
   * lease and the bounds on floods. `ageOf`: what is to be told of a time.
   */
  inspect(ageOf: (atMs: number) => number): unknown {
    return [
      this.#incarnation,
      [...this.#sessions.values()].map((session) => session.inspect(ageOf)),
      this.#routes.inspect(ageOf),
      this.#parking.inspect(ageOf),
      [...this.#waiting].map(({ spiIn }) => spiIn),
      [...this.#holding].map(({ session }) => session),
      this.#grants.inspect(ageOf),
    ]
  }

  #obey(message: ToPackets, nowMs: number): void {
    switch (message.type) {
      case 'incarnation':
        return this.#begin(message.incarnation)
      case 'install':
        return this.#install(message.session, nowMs)
      case 'reclaimed':
        return this.#reclaimed(message.session, message.epoch, nowMs)
      case 'unfreeze':
        return this.#unfreeze(message.session, message.epoch, nowMs)
      case 'remove':
        return this.#remove(message.session, message.epoch, message.movedTo, nowMs)
      case 'route':
        return this.#route(message, nowMs)
      case 'forget-routes':
        this.#routes.forget(message.gateway, message.sessions)
        return this.#askForRoutes(nowMs, true)
      case 'granted':
        for (const grant of message.grants) {
          const session = this.#sessions.get(grant.session)
          session?.granted(grant)
          for (const child of session?.children ?? []) if (child.isWaiting) this.#retry(child, nowMs)
        }
        return
      case 'ticked':
        this.#grants.ticked(message.tick)
        for (const child of this.#waiting) this.#retry(child, nowMs)
        return
      case 'freeze':
        return this.#freeze(message.session, message.epoch)
      case 'lease':
        return this.#lease.extend(message.untilMs)
      case 'holders':
        return this.#replyPath.update(message.holders)
      case 'send-outer':
        return this.#sendIke(message.local, message.remote, message.datagrams, nowMs)
      case 'send-mesh':
        return this.#o.effects.sendMesh(message.gateway, encodeMeshMessage({ type: 'control', payload: message.payload }))
    }
  }

  // ---- packets on their way

  /** Whether this gateway may send and accept, and claim the cluster's addresses; not, if a majority may have declared it down. */
  isServing(nowMs: number): boolean {
    return this.#lease.isValid(nowMs) && this.#incarnation !== 0
  }

  #travel(packet: Travelling, nowMs: number): void {
    if (!this.isServing(nowMs)) return this.drops.count('not-serving')
    if (packet.type === 'outer') {
      if (packet.datagram.length < MINIMUM_ESP_OCTETS || packet.datagram.length > MAX_DATAGRAM_OCTETS) return this.drops.count('esp-short')
      const spi = spiOf(packet.datagram)
      if (!this.#deliver(packet, spi, null, nowMs)) this.#park(packet, spi, { type: 'spi', spi }, nowMs)
      return
    }
    const flow = innerFlow(packet.packet)
    if (flow === null) return this.drops.count('inner-malformed')
    const name = addressName(flow.destination)
    if (!this.#deliver(packet, name, flow, nowMs)) this.#park(packet, name, { type: 'address', address: copyOf(flow.destination) }, nowMs)
  }

  /** To our own session, or on to its owner. False: it has to wait until something changes here. */
  #deliver(packet: Travelling, name: RouteName, flow: InnerFlow | null, nowMs: number): boolean {
    if (packet.type === 'outer') {
      const child = this.#bySpi.get(name as number)
      if (child !== undefined) this.#receive(child, packet, nowMs)
      if (child !== undefined) return true
    } else {
      const session = this.#byAddress.get(name)
      if (session !== undefined) this.#sendInner(session, packet.packet, flow, nowMs)
      if (session !== undefined) return true
    }
    const route = this.#routes.get(name)
    return route !== undefined && this.#forward(route, packet)
  }

  /** Waits for the control core's answer about its route; one question a key is enough until the answer may have changed. */
  #park(packet: Travelling, name: RouteName, key: RouteKey, nowMs: number): void {
    if (this.#routes.isUnknown(name, nowMs)) return this.drops.count('unknown-route')
    const isNew = !this.#parking.has(name)
    this.drops.count('parked-full', this.#parking.park(name, key, kept(packet), octetsOf(packet), nowMs))
    if (isNew && this.#parking.has(name)) this.#o.effects.toControl({ type: 'resolve', key })
  }

  /** What waits for this route is offered to it. What a lagging route can't take goes on waiting (a packet never goes back under an old epoch). */
  #unpark(name: RouteName, nowMs: number): void {
    this.#parking.sift(name, (packet) => {
      if (this.isServing(nowMs)) return this.#deliver(packet, name, null, nowMs)
      this.drops.count('not-serving')
      return true
    })
  }

  /** On to the owner, only under a newer epoch than the packet was routed by. */
  #forward(route: Route, packet: Travelling): boolean {
    if (packet.epoch >= route.epoch) return false
    if (packet.hops >= MAX_HOPS) {
      this.drops.count('mesh-hops')
      return true
    }
    this.#reporter.forwarded += 1
    this.#o.effects.sendMesh(route.gateway, encodeMeshMessage({ ...packet, epoch: route.epoch, hops: packet.hops + 1 }))
    return true
  }

  /** Heartbeats and the like are always heard. */
  #meshControl(gateway: string, payload: Bytes, nowMs: number): void {
    if (isForwardedIke(payload) && !this.#forwardedBucket.take(nowMs)) return this.drops.count('ike-forwarded-flood')
    this.#o.effects.toControl({ type: 'mesh', gateway, payload: copyOf(payload) })
  }

  /** A copy: a view would take its whole buffer along to the other thread. */
  #ike(datagram: Bytes, local: Endpoint, remote: Endpoint, nowMs: number): void {
    if (datagram.length < IKE_HEADER_OCTETS) return this.drops.count('ike-short')
    const isInit = datagram[IKE_EXCHANGE_OFFSET] === IKE_SA_INIT
    if (isInit && !this.#initBucket.take(nowMs)) return this.drops.count('ike-init-flood')
    if (!this.#ikeBucket.take(nowMs)) return this.drops.count('ike-flood')
    this.#o.effects.toControl({ type: 'ike', datagram: copyOf(datagram), local, remote })
  }

  #sendIke(local: Endpoint, remote: Endpoint, datagrams: readonly Bytes[], nowMs: number): void {
    if (!this.isServing(nowMs)) return this.drops.count('not-serving', datagrams.length)
    const hasMarker = this.#o.natTPorts.includes(local.port)
    for (const datagram of datagrams) {
      if (!hasMarker) {
        this.#sendOuter(local, remote, datagram)
        continue
      }
      const marked = new Uint8Array(MARKER_OCTETS + datagram.length)
      marked.set(datagram, MARKER_OCTETS)
      this.#sendOuter(local, remote, marked)
    }
  }

  /** To a client, by the way that replies take. */
  #sendOuter(local: Endpoint, remote: Endpoint, datagram: Bytes): void {
    const source = this.#replyPath.source(local)
    const holder = this.#replyPath.through(source)
    if (holder === null) return this.#o.effects.sendOuter(source, remote, datagram)
    this.#reporter.forwarded += 1
    this.#o.effects.sendMesh(holder, encodeMeshMessage({ type: 'reply', local: source, remote, datagram }))
  }

  /** Another gateway's datagram leaves here: it believes us to hold the address. Under no lease we may hold nothing any more. */
  #relay({ local, remote, datagram }: Extract<MeshMessage, { type: 'reply' }>, nowMs: number): void {
    if (!this.isServing(nowMs)) return this.drops.count('not-serving')
    if (!this.#replyPath.isOwn(local)) return this.drops.count('reply-source')
    this.#reporter.relayed += 1
    this.#o.effects.sendOuter(local, remote, datagram)
  }

  #decodeMesh(octets: Bytes): MeshMessage | null {
    try {
      return decodeMeshMessage(octets)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.drops.count('mesh-malformed')
      return null
    }
  }

  // ---- inbound

  #receive(child: OwnedChild, packet: Outer, nowMs: number): void {
    const { session } = child
    if (session.frozen) return this.#hold(session, packet, nowMs)
    const { datagram, local, remote } = packet
    const sequence = numberOf(datagram, child.esn, child.window.highest)
    if (sequence === 0) return this.drops.count('esp-sequence')
    if (!child.window.mayAccept(sequence)) return this.drops.count('esp-replay')
    const opened = this.#workingCopy(datagram)
    if (!child.cipherIn.open(opened, highOf(sequence))) return this.drops.count('esp-icv')
    child.meterIn.count()
    this.#grants.touch(session)
    if (child.isWithinHorizon(sequence, this.#grants.tick)) {
      return this.#accept(child, { sequence, datagram, local, remote }, opened, nowMs)
    }
    this.#reporter.horizonStalls += 1
    this.drops.count('horizon-full', child.waitForHorizon({ sequence, datagram: copyOf(datagram), local, remote }, nowMs))
    this.#waiting.add(child)
    this.#grants.askForHorizon(child, sequence, nowMs)
  }

  /** The number is within the horizon; floor and window are judged here, again for a packet that waited. */
  #accept(child: OwnedChild, arrived: BeyondHorizon, opened: Bytes, nowMs: number): void {
    const { session } = child
    const { sequence } = arrived
    if (!child.window.mayAccept(sequence)) return this.drops.count('esp-replay')
    const isHighest = sequence > child.window.highest
    child.window.accept(sequence)
    child.packetsIn += 1
    child.session.load.count()
    child.octetsIn += arrived.datagram.length
    this.#teller.carried(session, nowMs)
    this.#reporter.packetsIn += 1
    // The client's address follows an authentic packet that is the highest so far, if it is behind a NAT.
    if (isHighest && session.follow && !sameEndpoint(session.remote, arrived.remote)) session.moved(arrived.remote)
    const inner = innerPacket(child.cipherIn, opened)
    if (typeof inner === 'string') return this.drops.count(inner)
    const drop = inboundDrop(inner, child, session.virtualIps, this.#o.ownInnerAddresses)
    if (drop !== null) return this.drops.count(drop)
    this.#mtu.clamp(inner, session.remote)
    this.#o.effects.deliverInner(inner)
  }

  // ---- outbound

  #sendInner(session: OwnedSession, packet: Bytes, known: InnerFlow | null, nowMs: number): void {
    if (session.frozen) return this.#hold(session, { type: 'inner', packet }, nowMs)
    const flow = known ?? innerFlow(packet)
    const child = flow === null ? null : session.outboundChild((candidate) => isOutboundAllowed(flow, candidate))
    if (child === null) return this.drops.count('inner-unselected')
    if (!this.#mtu.fits(packet, session.remote)) return this.#sendTooBig(child, packet, nowMs)
    this.#mtu.clamp(packet, session.remote)
    this.#sendBy(child, packet, nowMs)
  }

  #sendTooBig(child: OwnedChild, untrimmed: Bytes, nowMs: number): void {
    const { remote } = child.session
    const packet = this.#mtu.trimmed(untrimmed)
    const fragments = this.#mtu.fits(packet, remote) ? [packet] : this.#mtu.fragments(packet, remote)
    if (fragments !== null) return fragments.forEach((fragment) => this.#sendBy(child, fragment, nowMs))
    this.drops.count('inner-too-big')
    const error = this.#mtu.error(packet, remote, nowMs)
    if (error !== null) this.#o.effects.deliverInner(error)
  }

  #sendBy(child: OwnedChild, packet: Bytes, nowMs: number): void {
    const { session } = child
    child.meterOut.count()
    this.#grants.touch(session)
    if (child.beyondCeiling.length === 0 && child.maySend(this.#grants.tick)) {
      this.#send(child, packet, nowMs)
    } else {
      this.#reporter.ceilingStalls += 1
      this.drops.count('ceiling-full', child.beyondCeiling.push(copyOf(packet), packet.length, nowMs))
      this.#waiting.add(child)
    }
    this.#grants.askForCeiling(child, nowMs)
  }

  #send(child: OwnedChild, packet: Bytes, nowMs: number): void {
    const esp = encapsulate(child.cipherOut, child.spiOut, child.next, packet, this.#sealing)
    child.next += 1
    child.packetsOut += 1
    child.session.load.count()
    child.octetsOut += esp.length
    this.#teller.carried(child.session, nowMs)
    this.#reporter.packetsOut += 1
    this.#sendOuter(child.session.local, child.session.remote, esp)
  }

  // ---- packets that wait

  /** What waits for a horizon or a ceiling is judged again, by all that would stop a new packet; what still waits is asked for again. */
  #retry(child: OwnedChild, nowMs: number): void {
    if (child.session.frozen || !this.isServing(nowMs)) return
    this.drops.count('horizon-expired', child.expireBeyondHorizon(nowMs))
    this.drops.count('ceiling-expired', child.beyondCeiling.expire(nowMs))
    const { tick } = this.#grants
    child.acceptWaiting(tick, (arrived) => this.#acceptWaiting(child, arrived, nowMs))
    while (child.beyondCeiling.length > 0 && child.maySend(tick)) this.#send(child, child.beyondCeiling.take()!, nowMs)
    if (child.beyondHorizon.length > 0) this.#grants.askForHorizon(child, child.highestWaiting, nowMs)
    if (child.beyondCeiling.length > 0) this.#grants.askForCeiling(child, nowMs)
    if (!child.isWaiting) this.#waiting.delete(child)
  }

  /** To be opened in; good until the next one. */
  #workingCopy(datagram: Bytes): Bytes {
    this.#opening.set(datagram)
    return this.#opening.subarray(0, datagram.length)
  }

  #acceptWaiting(child: OwnedChild, arrived: BeyondHorizon, nowMs: number): void {
    const opened = this.#workingCopy(arrived.datagram)
    if (child.cipherIn.open(opened, highOf(arrived.sequence))) this.#accept(child, arrived, opened, nowMs)
    else this.drops.count('esp-icv')
  }

  #hold(session: OwnedSession, packet: Held, nowMs: number): void {
    this.drops.count('held-full', session.held.push(kept(packet), octetsOf(packet), nowMs))
    this.#holding.add(session)
  }

  /** Packets that were held are handled as if they came now; then whatever waited for a limit. */
  #release(session: OwnedSession, nowMs: number): void {
    if (session.frozen) return
    this.#holding.delete(session)
    for (const packet of session.held.takeAll()) this.#travel({ ...packet, epoch: 0, hops: 0 }, nowMs)
    for (const child of session.children) if (child.isWaiting) this.#retry(child, nowMs)
  }

  // ---- sessions of ours

  /** Rule 10: whose incarnation ended forgets everything. */
  #begin(incarnation: number): void {
    this.#incarnation = incarnation
    for (const session of this.#sessions.values()) this.drops.count('session-ended', this.#close(session).length)
    this.#sessions.clear()
    this.#routes.clear()
    this.drops.count('session-ended', this.#parking.clear())
    this.#grants.begin()
  }

  #install(install: SessionInstall, nowMs: number): void {
    if (this.#incarnation === 0) return
    const known = this.#sessions.get(install.session)
    const isSameTenure = known !== undefined && known.since === install.since
    // Nothing of an older tenure survives but packets that it neither accepted nor sent (rule 10).
    let left = known !== undefined && !isSameTenure ? this.#close(known) : []
    if (isSameTenure) this.#unlink(known)
    const session = isSameTenure
      ? known
      : new OwnedSession(install, this.#o.crypto, { budget: this.#budget, limitWaitMs: this.#o.limitWaitMs })
    // What waits for the ceiling of a Child SA that was replaced goes by its successor.
    if (isSameTenure) left = session.update(install)
    this.#sessions.set(session.session, session)
    this.#link(session)
    this.#grants.touch(session)
    this.#teller.counted(session, nowMs)
    for (const packet of left) this.#travel({ ...packet, epoch: 0, hops: 0 }, nowMs)
    this.#release(session, nowMs)
    for (const child of session.children) this.#unpark(child.spiIn, nowMs)
    for (const address of session.virtualIps) this.#unpark(addressName(address), nowMs)
  }

  #link(session: OwnedSession): void {
    for (const child of session.children) {
      this.#bySpi.set(child.spiIn, child)
      if (child.isWaiting) this.#waiting.add(child)
    }
    for (const address of session.virtualIps) this.#byAddress.set(addressName(address), session)
  }

  #unlink(session: OwnedSession): void {
    for (const child of session.children) {
      if (this.#bySpi.get(child.spiIn) === child) this.#bySpi.delete(child.spiIn)
      this.#waiting.delete(child)
    }
    for (const address of session.virtualIps) {
      const name = addressName(address)
      if (this.#byAddress.get(name) === session) this.#byAddress.delete(name)
    }
  }

  /** Ends a tenure; returns what waited in it, as it came. */
  #close(session: OwnedSession): Held[] {
    this.#unlink(session)
    this.#grants.forget(session)
    this.#teller.ended(session)
    this.#holding.delete(session)
    session.close()
    return session.takeWaiting()
  }

  #remove(id: number, epoch: number, movedTo: string | null, nowMs: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    this.#sessions.delete(id)
    const left = this.#close(session)
    if (movedTo === null) return this.drops.count('session-ended', left.length)
    // Let rest: what came meanwhile asks for it again.
    if (movedTo === this.#o.self) return left.forEach((packet) => this.#travel({ ...packet, epoch: 0, hops: 0 }, nowMs))
    const route = { session: id, gateway: movedTo, epoch }
    for (const child of session.children) this.#routes.set(child.spiIn, route)
    for (const address of session.virtualIps) this.#routes.set(addressName(address), route)
    for (const packet of left) this.#forward(route, { ...packet, epoch: 0, hops: 0 })
  }

  /** From here on the session neither sends nor accepts (rule 13). Nothing is in flight between us and the sockets, so it is flushed. */
  #freeze(id: number, epoch: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined || session.epoch !== epoch) return
    session.frozen = true
    const children = session.children.map(({ spiIn, next, window }) => ({ spiIn, next, window: window.state() }))
    this.#o.effects.toControl({ type: 'frozen', session: id, epoch, children })
  }

  #unfreeze(id: number, epoch: number, nowMs: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined || session.epoch !== epoch) return
    session.frozen = false
    this.#release(session, nowMs)
  }

  #reclaimed(id: number, epoch: number, nowMs: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined || epoch <= session.epoch) return
    session.reclaim(epoch)
    this.#grants.touch(session)
    this.#release(session, nowMs)
  }

  // ---- routes

  #route(message: Extract<ToPackets, { type: 'route' }>, nowMs: number): void {
    const name = nameOf(message.key)
    const { session, gateway, epoch } = message
    if (gateway !== null && gateway !== this.#o.self) {
      this.#routes.set(name, { session, gateway, epoch })
      this.#unpark(name, nowMs)
      return
    }
    this.#unpark(name, nowMs)
    // Nobody's, or ours without keys that open here.
    this.drops.count('unknown-route', this.#parking.take(name).length)
    if (gateway === null) this.#routes.setUnknown(name, nowMs)
  }

  #askForRoutes(nowMs: number, all: boolean): void {
    for (const key of this.#parking.dueKeys(nowMs, all)) this.#o.effects.toControl({ type: 'resolve', key })
  }
}

/** The packet in memory of its own. */
function kept<T extends Held>(packet: T): T {
  return packet.type === 'outer' ? { ...packet, datagram: copyOf(packet.datagram) } : { ...packet, packet: copyOf(packet.packet) }
}

function octetsOf(packet: Held): number {
  return packet.type === 'outer' ? packet.datagram.length : packet.packet.length
}
