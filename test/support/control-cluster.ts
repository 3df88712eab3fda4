/**
 * Control cores of several gateways, driven by the test: it says which commands are committed, what each gateway applies and when, what the
 * log tells a proposer, and when time passes. Effects are recorded. Cryptography is real; the peers are the built-in client or commands of
 * `contexts.ts`.
 */

import { Client } from '../../src/client/client.ts'
import type { ClientEvent, ClientOptions, ClientPort } from '../../src/client/client.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { SealingKeys, createSealer } from '../../src/crypto/sealer.ts'
import type { BalanceSettings } from '../../src/gateway/balance/balancer.ts'
import { defaultBalanceSettings } from '../../src/gateway/balance/balancer.ts'
import type { Now } from '../../src/gateway/clock.ts'
import { Control } from '../../src/gateway/control.ts'
import type { AuditEvent } from '../../src/gateway/audit-trail.ts'
import type { GatewayEvent } from '../../src/gateway/events.ts'
import type { IkeLimits } from '../../src/gateway/ike/limits.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import type { FromPackets, ToPackets } from '../../src/gateway/packet-messages.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toUtf8 } from '../../src/kit/bytes.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import type { LogRole, LogStatus } from '../../src/store/replicated-log.ts'
import { seededIkeCrypto } from '../../chaos/sim/crypto.ts'
import { createCommand, establishCommand, wallMs } from './contexts.ts'
import { testVpn } from './vpn.ts'

/** What every gateway has, the first of which seals until there is another agreement. */
export const sealingKey = new Uint8Array(32).fill(42)
export const nextSealingKey = new Uint8Array(32).fill(43)

const clusterAddress = Uint8Array.of(198, 51, 100, 1)
export const gatewayEndpoints = endpointsAt(clusterAddress)

interface Endpoints {
  readonly ike: Endpoint
  readonly natT: Endpoint
}

function endpointsAt(address: Bytes): Endpoints {
  return { ike: { address, port: 500 }, natT: { address, port: 4500 } }
}

/** A proposal that the log has been given and that the test has not decided about. */
export interface Appended {
  readonly gateway: string
  readonly serial: number
  readonly octets: Bytes
  readonly command: Command
}

interface Committed {
  readonly octets: Bytes
  /** Whose, for the process that proposed it. */
  readonly member: Member | null
  readonly serial: number
}

/** One life of a gateway's process. */
export class Member {
  readonly id: string
  readonly control: Control
  readonly sealing: SealingKeys
  readonly toPackets: ToPackets[] = []
  readonly events: GatewayEvent[] = []
  readonly audited: AuditEvent[] = []
  readonly diverged: number[] = []
  readonly outdated: string[] = []
  held: readonly Bytes[] = []
  applied = 0

  constructor(id: string, cluster: ControlCluster) {
    this.id = id
    const state = createState()
    const { keys, steeringKeys } = cluster.keysOf(id)
    this.sealing = new SealingKeys({ keys, cluster: 'test', random: cluster.sealingRandom, agreed: () => state.sealing.current })
    this.control = new Control({
      state,
      self: id,
      gateways: cluster.ids,
      capacity: cluster.capacities.get(id) ?? 1,
      addresses: [cluster.addressOf(id)],
      timing: { heartbeatMs: 50, gatewayDownMs: 300, servingLeaseMs: 2000 },
      crypto: cluster.ikeCrypto(),
      random: cluster.random,
      sealer: this.sealing,
      steeringKeys: () => steeringKeys ?? this.sealing.steeringKeys,
      sealingKeys: () => this.sealing.ids,
      ike: cluster.limits,
      balance: cluster.balance,
      effects: {
        append: (serial, octets) => cluster.append(this, { gateway: id, serial, octets, command: decodeCommand(octets) }),
        toPackets: (message) => cluster.toPackets(this, message),
        hold: (addresses) => (this.held = addresses),
        event: (event) => this.events.push(event),
        audit: (event) => this.audited.push(event),
        diverged: (applied) => this.diverged.push(applied),
        outdated: (problem) => this.outdated.push(problem),
        ...(cluster.clientsWait ? { clientWaits: () => undefined } : {}),
      },
    })
  }

  /** Messages of this type to the packet core since the last call. */
  take<T extends ToPackets['type']>(type: T): Extract<ToPackets, { type: T }>[] {
    const taken = this.toPackets.filter((message): message is Extract<ToPackets, { type: T }> => message.type === type)
    const others = this.toPackets.filter((message) => message.type !== type)
    this.toPackets.splice(0, this.toPackets.length, ...others)
    return taken
  }
}

type MemberState = LogStatus['members'][number]['state']

export class ControlCluster {
  readonly ids: readonly string[]
  /** Of each process that starts from now on. */
  limits: IkeLimits = defaultIkeLimits
  /** Nothing moves by itself unless the test says so. */
  balance: BalanceSettings = { ...defaultBalanceSettings, enabled: false }
  /** Of each process that starts from now on: whether clients that are not in yet wait for the test to admit them. */
  clientsWait = false
  readonly capacities = new Map<string, number>()
  readonly random = new SeededRandom(1)
  readonly sealingRandom = new SeededRandom(2)
  readonly sealer = createSealer({ keys: [sealingKey, nextSealingKey], cluster: 'test', random: this.sealingRandom })
  /** Sealing keys of each process that starts from now on, where they are to be others than these; what it steers by follows from them. */
  readonly sealingKeys = new Map<string, readonly Bytes[]>()
  readonly members = new Map<string, Member>()
  /** Proposals that wait for the test. */
  appended: Appended[] = []
  readonly log: Committed[] = []
  /** Whether messages between control cores arrive; IKE datagrams to clients always do. */
  isMeshUp = true
  /** As the log has them; null: everybody votes. */
  voterSets: readonly (readonly string[])[] | null = null
  /** Who belongs to the group, as its latest configuration has it; null: all. */
  present: readonly string[] | null = null
  nowMs = 1000
  /** Gateways of which no message to the others arrives, and `from>to` of those of which none to this one does. */
  readonly #muted = new Set<string>()
  /** What the log says at `lead`. */
  configurationIndex = 0
  commitIndex = 0
  standing: LogStatus['standing'] = 'member'
  readonly #clients: TestClient[] = []
  readonly #addresses: ReadonlyMap<string, Bytes>

  /** `members`: names of gateways, or with the cluster address that each can hold. */
  constructor(...members: readonly (string | readonly [id: string, address: Bytes])[]) {
    this.#addresses = new Map(members.map((member) => (typeof member === 'string' ? [member, clusterAddress] : member)))
    const ids = [...this.#addresses.keys()]
    this.ids = ids
    for (const id of ids) this.restart(id)
    this.settle()
  }

  /** Of each process and client that starts from now on: X25519 from the seed; other groups are the real ones. */
  ikeCrypto(): IkeCrypto {
    const seeded = seededIkeCrypto(this.random)
    const keyExchange: IkeCrypto['keyExchange'] = (ke, privateValue) =>
      (ke === keyExchangeMethod.x25519 ? seeded : nodeIkeCrypto).keyExchange(ke, privateValue)
    return { ...seeded, keyExchange }
  }

  keysOf(id: string): { readonly keys: readonly Bytes[]; readonly steeringKeys: readonly Bytes[] | null } {
    const keys = this.sealingKeys.get(id) ?? null
    return keys === null ? { keys: [sealingKey, nextSealingKey], steeringKeys: [new Uint8Array(32).fill(1)] } : { keys, steeringKeys: null }
  }

  get now(): Now {
    return { monotonicMs: this.nowMs, wallMs: wallMs + this.nowMs }
  }

  /** The cluster address that the gateway can hold. */
  addressOf(id: string): Bytes {
    return this.#addresses.get(id)!
  }

  get(id: string): Control {
    return this.members.get(id)!.control
  }

  member(id: string): Member {
    return this.members.get(id)!
  }

  /** A new life of the gateway's process, which applies the log from its start. */
  restart(id: string): Member {
    this.appended = this.appended.filter(({ gateway }) => gateway !== id)
    const member = new Member(id, this)
    this.members.set(id, member)
    member.control.start(this.now)
    return member
  }

  stop(id: string): void {
    this.appended = this.appended.filter(({ gateway }) => gateway !== id)
    this.members.delete(id)
  }

  // ---- the log

  append(_member: Member, appended: Appended): void {
    this.appended.push(appended)
  }

  /** Proposals of this type that wait, oldest first. */
  waiting<T extends Command['type']>(type: T): (Appended & { readonly command: Extract<Command, { type: T }> })[] {
    return this.appended.filter(
      (appended): appended is Appended & { readonly command: Extract<Command, { type: T }> } => appended.command.type === type,
    )
  }

  /** Commits a waiting proposal; nobody applies it yet. */
  commit(appended: Appended): void {
    this.appended = this.appended.filter((other) => other !== appended)
    this.log.push({ octets: appended.octets, member: this.members.get(appended.gateway) ?? null, serial: appended.serial })
  }

  /** Commits a command of nobody's. */
  inject(command: Command): void {
    this.log.push({ octets: encodeCommand(command), member: null, serial: 0 })
  }

  /** Tells the proposer that the append failed. */
  fail(appended: Appended, dropped: boolean): void {
    this.appended = this.appended.filter((other) => other !== appended)
    this.get(appended.gateway).appendFailed(appended.serial, dropped ? 'dropped' : 'unknown', this.now)
  }

  /** A gateway applies all that is committed. */
  apply(id: string): void {
    const member = this.member(id)
    if (member.applied === this.log.length) return
    for (; member.applied < this.log.length; member.applied++) {
      const { octets, member: proposer, serial } = this.log[member.applied]!
      member.control.committed(member.applied + 1, octets, proposer === member ? serial : null, this.now)
    }
    member.control.caughtUp(this.now)
  }

  applyAll(): void {
    for (const id of this.members.keys()) this.apply(id)
  }

  /** Commits and applies until nobody proposes anything. */
  settle(): void {
    for (let round = 0; round < 50; round++) {
      for (const appended of this.appended) this.commit(appended)
      this.applyAll()
      if (this.appended.length === 0) return
    }
    throw new Error('the cluster does not come to rest')
  }

  /** What a gateway has applied. */
  state(id = [...this.members.keys()][0]!): State {
    return this.get(id).state
  }

  /** `states`: what the leader knows of the others; `unknown` unless told. `told`: who is told; all, unless told. */
  lead(id: string, states: Readonly<Record<string, MemberState>> = {}, told: string | null = null): void {
    for (const [member, { control }] of this.members) {
      if (told !== null && told !== member) continue
      const role: LogRole = member === id ? 'leader' : 'follower'
      const members = (this.present ?? this.ids).map((one) => ({
        id: one,
        address: one,
        role: 'voter' as const,
        state: (member === id ? states[one] : undefined) ?? ('unknown' as const),
        matchIndex: null,
      }))
      const { configurationIndex, standing } = this
      const commitIndex = Math.max(this.log.length, this.commitIndex)
      const voterSets = this.voterSets ?? [this.present ?? this.ids]
      control.logStatus({ role, term: 1, leader: id, commitIndex, standing, voterSets, configurationIndex, members })
    }
  }

  /** `to`: only what it says to this one is lost. */
  mute(id: string, to?: string): void {
    this.#muted.add(to === undefined ? id : `${id}>${to}`)
  }

  unmute(id: string, to?: string): void {
    this.#muted.delete(to === undefined ? id : `${id}>${to}`)
  }

  gatewayOf(incarnation: number): string {
    return this.state().incarnations.get(incarnation)!.gateway
  }

  /** Time passes in ticks of 10 ms; `who` ticks (everybody, unless told). */
  pass(ms: number, who: readonly string[] = [...this.members.keys()]): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += 10
      for (const id of who) this.members.get(id)?.control.tick(this.now)
      for (const client of this.#clients) client.client.tick(this.nowMs)
    }
  }

  // ---- between the halves of a gateway, and between gateways

  toPackets(member: Member, message: ToPackets): void {
    if (message.type === 'send-mesh') {
      if (this.isMeshUp && !this.#muted.has(member.id) && !this.#muted.has(`${member.id}>${message.gateway}`))
        this.members.get(message.gateway)?.control.packets({ type: 'mesh', gateway: member.id, payload: message.payload }, this.now)
      return
    }
    member.toPackets.push(message)
    if (message.type === 'send-outer') for (const client of this.#clients) client.receive(message)
  }

  fromPackets(id: string, message: FromPackets): void {
    this.get(id).packets(message, this.now)
  }

  /** The packet core of the gateway answers every freeze. */
  answerFreezes(id: string): void {
    for (const { session, epoch } of this.member(id).take('freeze')) {
      const children = sessionView(this.state(id), session)!.children.map(({ spiIn, start, window }) => ({
        spiIn,
        next: start + 5,
        window,
      }))
      this.fromPackets(id, { type: 'frozen', session, epoch, children })
    }
  }

  // ---- sessions

  /** A session of `contexts.ts`, whose secrets nobody can open, established by commands of `owner`, with its first packet. */
  session(owner: string, spiIn: number): number {
    const { incarnation } = this.get(owner)
    const spi = BigInt(spiIn)
    this.inject(createCommand(incarnation, spi))
    this.applyAll()
    const session = this.state().nextSession - 1
    this.inject(establishCommand(this.state(), session, spi, [spiIn], [Uint8Array.of(10, 88, spiIn >> 8, spiIn & 255)]))
    this.applyAll()
    this.fromPackets(owner, { type: 'resolve', key: { type: 'spi', spi: spiIn } })
    return session
  }

  owner(session: number, id?: string): string | null {
    const now = ownership(this.state(id), session)
    return now?.ownerUp ? now.gateway : null
  }

  /** `change`: what is to be otherwise than in the configuration of all tests. */
  configure(addresses = 14, change: (vpn: VpnConfiguration) => VpnConfiguration = (vpn) => vpn): void {
    this.putVpn(change(testVpn(this.sealer, addresses)))
    this.settle()
  }

  /** Proposes a VPN configuration in place of the present one. */
  putVpn(vpn: VpnConfiguration): void {
    const proposer = [...this.members.values()][0]!.control
    const configuration = encodeVpnConfiguration(vpn)
    proposer.request({ type: 'put-vpn', expectedVersion: proposer.state.vpn.version, configuration }, () => undefined)
  }

  /** A client whose datagrams arrive at `at()`. */
  client(at: () => string, options: ClientSettings = {}): TestClient {
    const client = new TestClient(this, this.#clients.length, at, options)
    this.#clients.push(client)
    return client
  }
}

/** Beside its name, what else is to be otherwise than with every client of the tests. */
export interface ClientSettings extends Partial<ClientOptions> {
  /** Its identity, one of its own unless told. */
  readonly name?: string
}

/** The built-in client behind its own address. Its datagrams wait in `sent` until they are delivered, unless `isLive`. */
export class TestClient {
  readonly client: Client
  /** Where its datagrams come from; the test may move it. */
  endpoint: Endpoints
  /** Where they go. */
  gateway: Endpoints = gatewayEndpoints
  readonly events: ClientEvent[] = []
  readonly sent: { readonly port: ClientPort; readonly datagram: Bytes }[] = []
  readonly received: Bytes[] = []
  /** Of each of these, the cluster address that it came from. */
  readonly sources: Bytes[] = []
  isLive = true
  /** Whether what gateways send arrives. */
  isListening = true
  /** Whether what they send from this cluster address arrives. */
  hears: (address: Bytes) => boolean = () => true
  /** Where the datagram came from that it is at. */
  #answering: Bytes | null = null
  readonly #cluster: ControlCluster
  readonly #at: () => string

  constructor(
    cluster: ControlCluster,
    index: number,
    at: () => string,
    { name = `c${index}`, initialContact = true, ...changes }: ClientSettings,
  ) {
    this.#cluster = cluster
    this.#at = at
    const address = Uint8Array.of(192, 0, 2, index + 1)
    this.endpoint = { ike: { address, port: 500 }, natT: { address, port: 4500 } }
    this.client = new Client({
      crypto: cluster.ikeCrypto(),
      espCrypto: createEspCrypto(cluster.random),
      random: cluster.random,
      identity: { type: 2, data: toUtf8(name) },
      remoteIdentity: null,
      secret: toUtf8('hello'),
      local: this.endpoint.ike,
      gateway: gatewayEndpoints,
      retryMs: null,
      initialContact,
      effects: {
        send: (port, datagram) => this.#send(port, datagram.slice()),
        deliver: () => undefined,
        event: (event) => this.events.push(event),
      },
      ...changes,
    })
  }

  /** The client's session in the agreed state. */
  get session(): number {
    return this.#cluster.state().nextSession - 1
  }

  start(): void {
    this.client.start(this.#cluster.nowMs)
  }

  /** Establishes the tunnel, everything committed at once. */
  connect(): void {
    this.start()
    for (let i = 0; i < 4; i++) this.#cluster.settle()
    if (this.client.tunnel === null) throw new Error(`no tunnel: ${JSON.stringify(this.events)}`)
    this.speak()
  }

  /** A packet of the client's at its session's owner, which opens the session for it. */
  speak(): void {
    const { gateway } = ownership(this.#cluster.state(), this.session)!
    this.#cluster.fromPackets(gateway, { type: 'resolve', key: { type: 'spi', spi: this.client.tunnel!.spiOut } })
  }

  /** From now on it speaks to this cluster address. */
  speakTo(address: Bytes): void {
    this.gateway = endpointsAt(address)
  }

  /** Delivers a datagram of the client's to a gateway, again or for the first time. */
  deliver(id: string, { port, datagram }: { readonly port: ClientPort; readonly datagram: Bytes }): void {
    const remote = port === 'ike' ? this.endpoint.ike : this.endpoint.natT
    const ike = port === 'ike' ? datagram : datagram.subarray(4)
    // An answer goes to where the request came from.
    const isAnswer = this.#answering !== null && isResponse(peekHeader(ike)!)
    const gateway = isAnswer ? endpointsAt(this.#answering!) : this.gateway
    const local = port === 'ike' ? gateway.ike : gateway.natT
    this.#cluster.fromPackets(id, { type: 'ike', datagram: ike.slice(), local, remote })
  }

  receive({ local, remote, datagrams }: Extract<ToPackets, { type: 'send-outer' }>): void {
    if (!sameOctets(remote.address, this.endpoint.ike.address)) return
    const port: ClientPort = local.port === 4500 ? 'nat-t' : 'ike'
    for (const datagram of datagrams) {
      this.received.push(datagram)
      this.sources.push(local.address)
      if (!this.isListening || !this.hears(local.address)) continue
      this.#answering = local.address
      this.client.datagram(port === 'ike' ? datagram.slice() : concat(new Uint8Array(4), datagram), port, this.#cluster.nowMs)
      this.#answering = null
    }
  }

  #send(port: ClientPort, datagram: Bytes): void {
    this.sent.push({ port, datagram })
    if (this.isLive) this.deliver(this.#at(), { port, datagram })
  }
}

function sameOctets(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i])
}
