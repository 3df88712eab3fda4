/**
 * A VPN client of a simulated cluster: the built-in one, sending a marked packet every few ms and judging what it receives. One that is mobile says
 * where it is whenever it has moved (MOBIKE); the others are followed, or never move (whereabouts.ts).
 */

import { Client } from '../../src/client/client.ts'
import type { ClientEvent, ClientPort, Rekeying } from '../../src/client/client.ts'
import { defaultEspProposals } from '../../src/client/defaults.ts'
import { formatAddress } from '../../src/context/address.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { peekHeader } from '../../src/ike/wire/header.ts'
import type { Established } from '../../src/ike/initiator.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import { notifyName, notifyType } from '../../src/ike/wire/notify.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import type { EspCrypto } from '../../src/kit/esp-crypto.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import type { Random } from '../../src/kit/random.ts'
import { markOf, markPayload, nameOfMark } from './marks.ts'
import type { Judges } from './judges.ts'
import { Violation } from './checkers/violation.ts'
import type { ClientKind, Place } from './whereabouts.ts'
import { isBehindNat } from './whereabouts.ts'

export interface SimClientWorld {
  readonly crypto: IkeCrypto
  readonly espCrypto: EspCrypto
  readonly random: Random
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly host: Bytes
  readonly judges: Pick<Judges, 'bindings' | 'conservation' | 'addresses' | 'meshWays'>
  /** Of the client's session, after all that is committed. */
  epochOf(client: SimClient): number
  nowMs(): number
  send(client: SimClient, port: ClientPort, datagram: Bytes): void
}

/** Short waits: a simulated minute costs real time. Otherwise as strongSwan. */
const retransmission = { firstMs: 400, base: 1.4, tries: 30, limitMs: 1000 }

const BUSY_MS = 200

export class SimClient {
  readonly name: string
  readonly kind: ClientKind
  place: Place
  /** How often it has moved. */
  moves = 0
  /** Of them, how many there were when it last said where it is, and whether the answer to that is outstanding. */
  #told = 0
  #isTelling = false
  /** How often it was told that it was followed. */
  followed = 0
  readonly client: Client
  readonly #world: SimClientWorld
  #counter = 0
  #virtualIp: Bytes | null = null
  received = 0
  /** Child SAs and IKE SAs that a CREATE_CHILD_SA of ours has made. */
  rekeyed = 0
  /** Of those, the ones that took the place of others whose DELETE is not confirmed yet. */
  #replacing = 0
  readonly #wanted: { readonly what: Rekeying; readonly withKe: boolean }[] = []
  /** Of what was wanted, the one that was asked for last. */
  #asked: { readonly what: Rekeying; readonly withKe: boolean } | null = null
  /** A gateway that is busy with the same is not asked again before. */
  #busyUntilMs = 0
  /** SAs that gateways have rekeyed. */
  offered = 0
  lastReceivedMs = 0
  /** The tunnel that the client had first: it must never need another. */
  #first: Established | null = null

  constructor(index: number, kind: ClientKind, place: Place, world: SimClientWorld) {
    this.name = `c${index}`
    this.#world = world
    this.kind = kind
    this.place = place
    world.judges.addresses.isAt(this.name, place.natT)
    this.client = new Client({
      crypto: world.crypto,
      espCrypto: world.espCrypto,
      random: world.random,
      identity: { type: 2, data: toUtf8(this.name) },
      remoteIdentity: null,
      secret: toUtf8('hello'),
      local: place.inside.ike,
      mobike: kind === 'mobile',
      gateway: world.gateway,
      // Every other client wants extended sequence numbers.
      espProposals: defaultEspProposals.map((proposal) => ({ ...proposal, esn: [index % 2 === 1 ? 1 : 0] })),
      retransmission,
      dpdMs: 700,
      retryMs: 200,
      effects: {
        send: (port, datagram) => world.send(this, port, datagram),
        deliver: (packet) => this.#deliver(packet),
        event: (event) => this.#happened(event),
      },
    })
  }

  /** As soon as no other request is unanswered. */
  rekey(what: Rekeying, withKe: boolean): void {
    this.#wanted.push({ what, withKe })
  }

  moveTo(place: Place): void {
    this.place = place
    this.moves += 1
    this.#world.judges.addresses.isAt(this.name, place.natT)
  }

  /** The gateway that it speaks to is another: whoever is mobile says so, the others rekey, as strongSwan does with kernel-libipsec. */
  goOver(): void {
    if (this.kind === 'mobile') this.#told = -1
    else if (this.isUp) this.rekey('child-rekey', false)
  }

  tick(nowMs: number): void {
    this.client.tick(nowMs)
    this.#tellMove(nowMs)
    const [next] = this.#wanted
    if (
      next === undefined ||
      nowMs < this.#busyUntilMs ||
      !this.client.rekey(next.what, nowMs, next.withKe ? [keyExchangeMethod.x25519] : [])
    )
      return
    this.#asked = this.#wanted.shift()!
  }

  #tellMove(nowMs: number): void {
    if (this.kind !== 'mobile' || this.#told === this.moves || this.#isTelling || !this.isUp) return
    if (!this.client.move(this.place.inside.natT, nowMs)) return
    this.#told = this.moves
    this.#isTelling = true
  }

  /** Whether the gateways know where it is, as far as it tells them. */
  get hasArrived(): boolean {
    return this.kind !== 'mobile' || (this.#told === this.moves && !this.#isTelling)
  }

  /** The exchange type of its request that is unanswered; null: there is none. */
  get asks(): number | null {
    const { pending } = this.client
    return pending === null ? null : peekHeader(pending)!.exchange
  }

  /** Whether something that a rekeying has taken the place of is to be deleted still. */
  get isReplacing(): boolean {
    return this.#replacing > 0
  }

  /** Whether everything that it was to rekey was, to the end. */
  get hasRekeyed(): boolean {
    return this.#wanted.length === 0 && this.#replacing === 0
  }

  /** What is missing. */
  get rekeying(): string {
    return `${this.#wanted.map(({ what }) => what).join()} wanted, ${this.#replacing} to be deleted`
  }

  get isUp(): boolean {
    return this.client.tunnel !== null
  }

  /** Names the packet that was sent last. */
  get lastMark(): string {
    return `${this.name}/up/${this.#counter}`
  }

  get virtualIp(): Bytes | null {
    return this.#virtualIp
  }

  /** Sends the next marked packet to the trusted host. */
  sendPacket(): void {
    if (this.#virtualIp === null) return
    this.#counter += 1
    const mark = { client: this.name, direction: 'up', counter: this.#counter } as const
    const payload = markPayload(mark)
    this.#world.judges.conservation.sent(mark)
    this.client.sendInner(
      buildUdpPacket({ source: this.#virtualIp, destination: this.#world.host, sourcePort: 7, destinationPort: 7, payload }),
    )
  }

  #happened(event: ClientEvent): void {
    if (event.type === 'established') this.#established(event.tunnel)
    if (event.type === 'rekeyed') this.rekeyed += 1
    if (event.type === 'rekeyed' && event.what !== 'child') this.#replacing += 1
    if (event.type === 'replaced') this.#replacing -= 1
    if (event.type === 'refused') this.#refused(event.what, event.notify)
    if (event.type === 'offered') this.offered += 1
    if (event.type === 'moved') this.#moved(event.notify)
    if (event.type === 'established' || event.type === 'rekeyed' || event.type === 'offered')
      for (const { spiIn } of this.client.children) this.#world.judges.addresses.receives(this.name, spiIn)
  }

  #moved(notify: number | null): void {
    if (notify !== null) throw new Violation('S4', `${this.name}: a move was refused: ${notifyName(notify)}`)
    const { judges } = this.#world
    this.followed += 1
    this.#isTelling = false
    if (this.#told === this.moves) judges.addresses.followed(this.name, this.#world.epochOf(this), !isBehindNat(this.place))
  }

  /**
   * There may be too many Child SAs, or the gateway may be at the same SA itself (RFC 7296 §2.25). Nothing else is a reason: a Child SA that is
   * not known any more, and that no gateway has replaced, was acknowledged before.
   */
  #refused(what: Rekeying, notify: number | null): void {
    if (what === 'child' && notify === notifyType.noAdditionalSas) return
    const isBusy = notify === notifyType.temporaryFailure || (notify === notifyType.childSaNotFound && this.offered > 0)
    if (isBusy && this.#asked !== null) {
      this.#busyUntilMs = this.#world.nowMs() + BUSY_MS
      this.#wanted.unshift(this.#asked)
      return
    }
    throw new Violation('S4', `${this.name}: ${what} was refused: ${notify === null ? 'not as asked for' : notifyName(notify)}`)
  }

  #established(tunnel: Established): void {
    if (this.#first !== null)
      throw new Violation('S4', `${this.name} had to authenticate again: what it had seen acknowledged was forgotten`)
    this.#first = tunnel
    this.#virtualIp = tunnel.virtualIps[0]!
    this.#world.judges.bindings.assigned(this.name, formatAddress(this.#virtualIp))
  }

  #deliver(packet: Bytes): void {
    const inner = parseUdpPacket(packet)
    const mark = inner === null ? null : markOf(inner.payload)
    if (inner === null || mark === null) throw new Violation('S6', `${this.name} received a packet that nobody sent`)
    if (mark.client !== this.name) throw new Violation('S6', `${this.name} received a packet for ${mark.client}`)
    this.#world.judges.bindings.toClient(this.name, formatAddress(inner.destination))
    this.#world.judges.conservation.delivered(this.name, mark)
    this.#world.judges.meshWays.arrived(nameOfMark(mark))
    this.received += 1
    this.lastReceivedMs = this.#world.nowMs()
  }
}
