/**
 * Gateways made of real packet cores, the real replicated state and the real reactions to it (tenures), joined by one log that the test
 * commits to: what to commit, what each gateway applies and when is the test's to say. Messages between the halves of a gateway arrive
 * when `pump` is called, in order. The clients' ESP is sealed and opened here.
 * Packets come as sockets hand them over, in a `Buffer`, whose `slice` copies nothing.
 */

import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import type { ChildSaContext, Endpoint } from '../../src/context/session-context.ts'
import { highOf } from '../../src/esp/extended-sequence.ts'
import { encapsulate, innerPacket, sequenceOf } from '../../src/esp/packet.ts'
import type { FromPackets, PacketReport, ToPackets } from '../../src/gateway/packet-messages.ts'
import type { Carried } from '../../src/gateway/session-counts.ts'
import { carriedRows } from '../../src/gateway/session-counts.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import { Tenures } from '../../src/gateway/tenures.ts'
import { sealChildKeys } from '../../src/ike/open-session.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../../src/kit/esp-crypto.ts'
import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import type { Result } from '../../src/session/results.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { childContext, createCommand, establishedContext, exchangeCommand } from './contexts.ts'
import { ordinaryPacketOptions } from './packet-options.ts'

const sealer: Sealer = { seal: (_field, plaintext) => plaintext.slice(), open: (_field, blob) => blob.slice() }
const suite = { encr: 20, keyBits: 128, integ: 0 }
export const server = Uint8Array.of(10, 50, 0, 9)
export const gatewayEndpoint: Endpoint = { address: Uint8Array.of(10, 99, 0, 100), port: 4500 }
export const ikeEndpoint: Endpoint = { ...gatewayEndpoint, port: 500 }

/** Keys that only this process knows, from the SPI. */
function keyOf(spi: number, direction: number): Bytes {
  return new SeededRandom(spi * 2 + direction).bytes(20)
}

/** The far end of a session: seals what it sends, opens what it gets. */
export class Client {
  readonly spi: number
  readonly address: Bytes
  remote: Endpoint
  next = 1
  readonly #seal: EspCipher
  readonly #open: EspCipher

  readonly esn: 0 | 1

  constructor(spi: number, index: number, esn: 0 | 1 = 0) {
    this.esn = esn
    const crypto = createEspCrypto(new SeededRandom(spi))
    this.spi = spi
    this.address = Uint8Array.of(10, 77, index >> 8, index & 255)
    this.remote = { address: Uint8Array.of(192, 0, 2, index & 255), port: 40_000 + index }
    this.#seal = crypto.cipher({ ...suite, esn }, keyOf(spi, 0))!
    this.#open = crypto.cipher({ ...suite, esn }, keyOf(spi, 1))!
  }

  /** The ESP datagram with this sequence number; its inner packet says the number's lower half. */
  datagram(sequence = this.next++, source = this.address, destination = server): Bytes {
    const payload = new Uint8Array(4)
    dataView(payload).setUint32(0, sequence % 2 ** 32)
    return this.seal(buildUdpPacket({ source, destination, sourcePort: 1, destinationPort: 2, payload }), sequence)
  }

  /** The ESP datagram of an inner packet. */
  seal(inner: Bytes, sequence = this.next++): Bytes {
    return encapsulate(this.#seal, this.spi, sequence, inner)
  }

  /** The inner packet of a datagram for this client, or null when it is not authentic. `sequence`: its number, of which the datagram has the lower half. */
  open(datagram: Bytes, sequence = sequenceOf(datagram)): Bytes | null {
    const packet = datagram.slice()
    if (!this.#open.open(packet, highOf(sequence))) return null
    const inner = innerPacket(this.#open, packet)
    return typeof inner === 'string' ? null : inner
  }

  /** A packet of the trusted side for this client. */
  answer(length = 4): Bytes {
    return buildUdpPacket({ source: server, destination: this.address, sourcePort: 2, destinationPort: 1, payload: new Uint8Array(length) })
  }
}

/** Its Child SA as the gateways' context has it. */
export function childOf({ spi, address, esn }: Client): ChildSaContext {
  return {
    ...childContext(spi),
    spiOut: spi ^ 0xffff,
    suite: { ...suite, esn },
    remoteTs: [{ ...childContext(1).remoteTs[0]!, start: address, end: address }],
    secrets: sealChildKeys(sealer, spi, { keyIn: keyOf(spi, 0), keyOut: keyOf(spi, 1) }),
  }
}

export interface Sent {
  readonly gateway: string
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly datagram: Bytes
  readonly spi: number
  readonly sequence: number
}

/** Counts ciphers that are open, and fails when one is used after its SA is gone. */
class CountingCrypto implements EspCrypto {
  readonly #crypto = createEspCrypto(new SeededRandom(1))
  open = 0

  keyOctets(algorithms: EspAlgorithms): number | null {
    return this.#crypto.keyOctets(algorithms)
  }

  cipher(algorithms: EspAlgorithms, key: Bytes): EspCipher | null {
    const cipher = this.#crypto.cipher(algorithms, key)
    if (cipher === null) return null
    this.open += 1
    let isOpen = true
    const { ivOctets, icvOctets, blockOctets } = cipher
    const used = (): EspCipher => {
      if (!isOpen) throw new Error('a cipher was used after its SA was gone')
      return cipher
    }
    const close = (): void => {
      if (isOpen) this.open -= 1
      isOpen = false
    }
    return {
      ivOctets,
      icvOctets,
      blockOctets,
      seal: (packet, high) => used().seal(packet, high),
      open: (packet, high) => used().open(packet, high),
      close,
    }
  }
}

/** One life of a gateway's process. */
export class Member {
  readonly id: string
  readonly state: State = createState()
  readonly ciphers = new CountingCrypto()
  readonly core: PacketCore
  readonly tenures: Tenures
  readonly leaving = new Set<number>()
  applied = 0
  incarnation = 0
  nonce = 0n
  alive = true
  readonly frozen: Extract<FromPackets, { type: 'frozen' }>[] = []
  readonly ike: Extract<FromPackets, { type: 'ike' }>[] = []
  report: PacketReport | null = null
  /** What other gateways' control cores said. */
  readonly meshed: Bytes[] = []
  /** What was told of sessions, the oldest first. */
  readonly counted: Float64Array[] = []
  readonly carried: Carried[] = []
  readonly toPackets: ToPackets[] = []
  readonly #fromPackets: FromPackets[] = []
  readonly #cluster: PacketCluster

  constructor(cluster: PacketCluster, id: string) {
    this.#cluster = cluster
    this.id = id
    this.core = new PacketCore({
      self: id,
      crypto: this.ciphers,
      ...ordinaryPacketOptions,
      ownInnerAddresses: [Uint8Array.of(10, 50, 0, 1)],
      // Directly until the test says who holds the address.
      reply: { way: 'via-holder', endpoints: [gatewayEndpoint, ikeEndpoint] },
      effects: {
        sendOuter: (local, remote, datagram) => cluster.sent(this, local, remote, datagram),
        deliverInner: (packet) => cluster.delivered(this, packet),
        sendMesh: (gateway, message) => cluster.mesh.push({ from: id, to: gateway, message }),
        toControl: (message) => this.#fromPackets.push(message),
      },
    })
    this.tenures = new Tenures({
      self: id,
      state: this.state,
      sealer,
      toPackets: (message) => this.toPackets.push(message),
      isLeaving: (session) => this.leaving.has(session),
      takenOver: () => undefined,
    })
    this.toPackets.push({ type: 'lease', untilMs: Infinity })
    this.comeUpAnew()
  }

  comeUpAnew(): void {
    this.incarnation = 0
    this.leaving.clear()
    this.tenures.begin(0)
    this.#cluster.nonces += 1n
    this.nonce = this.#cluster.nonces
    this.#cluster.propose({ type: 'gateway-up', gateway: this.id, nonce: this.nonce, capacity: 1, addresses: [] })
  }

  /** Applies the next committed command; false: there is none. */
  applyNext(): boolean {
    const command = this.#cluster.log[this.applied]
    if (command === undefined) return false
    this.applied += 1
    const result = apply(this.state, command)
    if (result.type !== 'refused') this.#react(command, result)
    this.#settleLeaving()
    this.tenures.retryUnresolved(this.#cluster.nowMs)
    return true
  }

  #react(command: Command, result: Result): void {
    switch (command.type) {
      case 'gateway-up':
        if (result.type !== 'up') return
        if (result.ended !== 0) this.#ended(result.ended, command.gateway)
        if (command.nonce !== this.nonce || this.incarnation !== 0) return
        this.incarnation = result.incarnation
        this.tenures.begin(result.incarnation)
        return
      case 'gateway-down':
        if (result.type === 'ended') this.#ended(command.incarnation, result.gateway)
        return
      case 'advance':
        if (command.incarnation !== this.incarnation || result.type !== 'batch') return
        this.toPackets.push({ type: 'ticked', tick: this.state.incarnations.get(this.incarnation)!.tick })
        this.tenures.granted(result.taken)
        return
      case 'transfer': {
        if (result.type !== 'batch' || result.taken.length === 0) return
        const movedTo = this.state.incarnations.get(command.to)!.gateway
        if (command.to === this.incarnation && command.to === command.incarnation) {
          for (const session of result.taken) {
            this.leaving.delete(session)
            this.tenures.rest(session)
          }
          return
        }
        for (const session of result.taken) this.tenures.refresh(session, { open: command.to === this.incarnation, movedTo })
        this.toPackets.push({ type: 'forget-routes', gateway: null, sessions: result.taken })
        return
      }
      case 'reclaim':
        this.tenures.reclaimed(command.session)
        return
      case 'commit-exchange':
        this.tenures.refresh(command.session)
        return
      default:
    }
  }

  #ended(incarnation: number, gateway: string): void {
    if (incarnation === this.incarnation) this.comeUpAnew()
    else this.toPackets.push({ type: 'forget-routes', gateway, sessions: [] })
  }

  #settleLeaving(): void {
    for (const session of this.leaving) {
      if (ownership(this.state, session)!.owner !== this.incarnation) this.leaving.delete(session)
    }
  }

  freeze(session: number): void {
    this.leaving.add(session)
    this.toPackets.push({ type: 'freeze', session, epoch: ownership(this.state, session)!.epoch })
  }

  /** Hands over what waits between the halves, the oldest first, until nothing is left. */
  pump(): void {
    for (let i = 0; i < 10_000; i++) {
      const down = this.toPackets.shift()
      if (down !== undefined) this.core.control(down, this.#cluster.nowMs)
      const up = this.#fromPackets.shift()
      if (up !== undefined) this.#control(up)
      if (down === undefined && up === undefined) return
    }
    throw new Error(`${this.id}: the halves of the gateway answer one another without end`)
  }

  #control(message: FromPackets): void {
    switch (message.type) {
      case 'resolve':
        this.#cluster.resolves += 1
        this.tenures.resolve(message.key, this.#cluster.nowMs)
        break
      case 'advance':
        this.#cluster.advances.push(message)
        if (this.incarnation !== 0) this.#cluster.propose({ ...message, incarnation: this.incarnation })
        break
      case 'frozen':
        this.frozen.push(message)
        break
      case 'report':
        this.report = message.report
        break
      case 'counted':
        this.counted.push(message.counts)
        this.carried.push(...carriedRows(message.carried))
        break
      case 'ike':
        this.ike.push(message)
        break
      case 'mesh':
        this.meshed.push(message.payload)
        break
    }
  }
}

export class PacketCluster {
  nowMs = 1000
  nonces = 0n
  resolves = 0
  readonly log: Command[] = []
  /** Proposed and not committed: any of them may yet be, or not. */
  bag: Command[] = []
  readonly mesh: { from: string; to: string; message: Bytes }[] = []
  readonly members = new Map<string, Member>()
  readonly clients: Client[] = []
  readonly sessions: number[] = []
  readonly advances: Extract<FromPackets, { type: 'advance' }>[] = []
  readonly out: Sent[] = []
  readonly in: { gateway: string; source: Bytes; sequence: number }[] = []
  /** What was delivered and is no UDP packet. */
  readonly others: Bytes[] = []
  /** Called for every ESP packet sent and every inner packet delivered: the checkers. */
  onSent: (sent: Sent) => void = () => undefined
  onDelivered: (gateway: string, source: Bytes, sequence: number) => void = () => undefined

  constructor(...ids: readonly string[]) {
    for (const id of ids) this.members.set(id, new Member(this, id))
    this.commitAll()
    this.settle()
  }

  member(id: string): Member {
    return this.members.get(id)!
  }

  propose(command: Command): void {
    this.bag.push(decodeCommand(encodeCommand(command)))
  }

  commit(command: Command): void {
    this.log.push(command)
  }

  /** Commits what is in the bag, in the order of its proposal. */
  commitAll(): void {
    const { bag } = this
    this.bag = []
    for (const command of bag) this.log.push(command)
  }

  /** Everybody applies everything, and messages flow until nothing is on its way; mesh messages too. Nothing new is committed. */
  settle(): void {
    for (let i = 0; i < 1000; i++) {
      let isQuiet = true
      for (const member of this.members.values()) {
        while (member.applyNext()) isQuiet = false
        if (member.toPackets.length > 0) isQuiet = false
        member.pump()
      }
      if (this.mesh.length > 0) isQuiet = false
      while (this.mesh.length > 0) this.deliverMesh(0)
      if (isQuiet) return
    }
    throw new Error('the cluster does not come to rest')
  }

  deliverMesh(index: number): void {
    const [message] = this.mesh.splice(index, 1)
    const member = this.members.get(message!.to)
    if (member?.alive === true) member.core.mesh(message!.from, Buffer.from(message!.message), this.nowMs)
  }

  /** Commits, applies and settles until nothing is proposed any more; some ms pass. */
  agree(): void {
    for (let i = 0; i < 100; i++) {
      this.settle()
      this.commitAll()
      this.nowMs += 1
      for (const member of this.members.values()) this.tick(member)
      this.settle()
      if (this.bag.length === 0) return
    }
    throw new Error('the cluster goes on proposing without end')
  }

  /** Lets the time pass in steps of 5 ms; commits what is proposed after `commitMs`. */
  run(ms: number, each: (nowMs: number) => void = () => undefined, commitMs = 5): void {
    const endMs = this.nowMs + ms
    let committedAtMs = this.nowMs
    while (this.nowMs < endMs) {
      this.nowMs += 1
      each(this.nowMs)
      if (this.nowMs % 5 === 0) for (const member of this.members.values()) this.tick(member)
      for (const member of this.members.values()) member.pump()
      if (this.nowMs - committedAtMs < commitMs) continue
      committedAtMs = this.nowMs
      this.commitAll()
      this.settle()
    }
  }

  tick(member: Member): void {
    member.core.tick(this.nowMs)
    member.tenures.tick(this.nowMs)
  }

  /** An established session with one Child SA, owned by `id`. */
  establish(id: string, esn: 0 | 1 = 0): { client: Client; session: number } {
    const index = this.clients.length + 1
    const client = new Client(0x1000 + index, index, esn)
    const { incarnation } = this.member(id)
    const ikeSpi = BigInt(index) << 32n
    this.commit(createCommand(incarnation, ikeSpi))
    this.settle()
    const session = index
    const context = {
      ...establishedContext(ikeSpi, [], [client.address]),
      children: [childOf(client)],
      behindNat: true,
      local: gatewayEndpoint,
      remote: client.remote,
    }
    this.commit(exchangeCommand(this.member(id).state, session, { ikeSpi, messageId: 1, context }))
    this.settle()
    this.clients.push(client)
    this.sessions.push(session)
    return { client, session }
  }

  /** An exchange after which the session's Child SAs are these; `change`: with something else about each. */
  exchange(session: number, clients: readonly Client[], change: (client: Client) => Partial<ChildSaContext> = () => ({})): void {
    const [id] = this.members.keys()
    const view = this.view(id!, session)
    const [ike] = view.ikes
    const context = { ...view.context, children: clients.map((client) => ({ ...childOf(client), ...change(client) })) }
    this.commit(exchangeCommand(this.member(id!).state, session, { ikeSpi: ike!.spi, messageId: ike!.expectedRequest, context }))
    this.settle()
  }

  /** The client's next packet (or the one with this number), at a gateway. */
  up(client: Client, id: string, sequence?: number): void {
    this.#lend(client.datagram(sequence), (octets) => this.member(id).core.outer(octets, gatewayEndpoint, client.remote, this.nowMs))
  }

  down(client: Client, id: string): void {
    this.#lend(client.answer(), (octets) => this.member(id).core.inner(octets, this.nowMs))
  }

  /** The committed limits of the session's first child, as a gateway that applied everything sees them. */
  view(id: string, session: number): NonNullable<ReturnType<typeof sessionView>> {
    return sessionView(this.member(id).state, session)!
  }

  /** The committed tick of the gateway's incarnation. */
  tickOf(id: string): number {
    const { state, incarnation } = this.member(id)
    return state.incarnations.get(incarnation)!.tick
  }

  /** As a socket: the memory is used again at once. */
  #lend(octets: Bytes, call: (octets: Bytes) => void): void {
    const memory = Buffer.from(octets)
    call(memory)
    memory.fill(0xee)
  }

  sent(member: Member, local: Endpoint, remote: Endpoint, octets: Bytes): void {
    const datagram = octets.slice()
    const view = dataView(datagram)
    const sent = { gateway: member.id, local, remote, datagram, spi: view.getUint32(0), sequence: sequenceOf(datagram) }
    this.out.push(sent)
    this.onSent(sent)
  }

  delivered(member: Member, octets: Bytes): void {
    const udp = parseUdpPacket(octets.slice())
    if (udp === null) {
      this.others.push(octets.slice())
      return
    }
    const sequence = dataView(udp.payload).getUint32(0)
    this.in.push({ gateway: member.id, source: udp.source, sequence })
    this.onDelivered(member.id, udp.source, sequence)
  }
}
