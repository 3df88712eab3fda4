/**
 * One gateway with very many sessions, for the bench of grants: the real packet core, state machine and tenures, on simulated time. What is not
 * there: IKE, cryptography, and Raft, in whose place a command is applied so long after it was proposed.
 */

import type { Endpoint } from '../../src/context/session-context.ts'
import { OUTBOUND_LEAD, limitAt } from '../../src/context/grants.ts'
import { encapsulate } from '../../src/esp/packet.ts'
import type { FromPackets } from '../../src/gateway/packet-messages.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import { Tenures } from '../../src/gateway/tenures.ts'
import { sealChildKeys } from '../../src/ike/open-session.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import { apply } from '../../src/session/apply.ts'
import type { Advance, Command } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import type { Result } from '../../src/session/results.ts'
import { createState } from '../../src/session/state.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { childContext, createCommand, establishedContext, exchangeCommand, wallMs } from '../../test/support/contexts.ts'
import { ordinaryPacketOptions } from '../../test/support/packet-options.ts'
import { flatEspCrypto } from './flat-crypto.ts'
import type { LogCosts } from './log-costs.ts'
import { addLogCosts, noLogCosts } from './log-costs.ts'
import type { Pattern, Source } from './traffic.ts'
import { Calendar } from './traffic.ts'

/** From a proposal to its application: what three gateways with ordinary disks need. */
const COMMIT_MS = 5
const PACKET_TICK_MS = 5
const CONTROL_TICK_MS = 10
const FIRST_SPI = 0x1_0000
/** Who share the numbers of sessions: this one has every third. */
const GATEWAYS = 3
const host = Uint8Array.of(10, 50, 0, 9)
const local: Endpoint = { address: Uint8Array.of(10, 99, 0, 100), port: 4500 }
const sealer: Sealer = { seal: (_field, plaintext) => plaintext.slice(), open: (_field, blob) => blob.slice() }

/** What went to the log, and what of the traffic waited for it. */
export interface Spent {
  commands: number
  octets: number
  records: number
  renewals: number
  /** What it would have been, had each renewal been a record of its own. */
  octetsByRecords: number
  /** Of the octets. */
  costs: LogCosts
  packets: number
  stalls: number
}

interface Session {
  readonly id: number
  readonly spi: number
  readonly up: Bytes
  readonly down: Bytes
  readonly remote: Endpoint
  next: number
}

export class GrantsWorld {
  readonly spent: Spent = {
    commands: 0,
    octets: 0,
    records: 0,
    renewals: 0,
    octetsByRecords: 0,
    costs: { ...noLogCosts },
    packets: 0,
    stalls: 0,
  }
  /** Hears of each command for the log, and when. */
  told: ((octets: Bytes, nowMs: number) => void) | null = null
  readonly #state = createState()
  readonly #random: SeededRandom
  readonly #pattern: Pattern
  readonly #core: PacketCore
  readonly #tenures: Tenures
  readonly #sessions: Session[] = []
  readonly #calendar = new Calendar()
  readonly #log: { readonly atMs: number; readonly octets: Bytes }[] = []
  #incarnation = 0
  #nowMs = 1

  constructor(sessions: number, pattern: Pattern, seed: number) {
    this.#random = new SeededRandom(seed)
    this.#pattern = pattern
    this.#core = new PacketCore({
      self: 'sg1',
      crypto: flatEspCrypto,
      ...ordinaryPacketOptions,
      reply: { way: 'direct', endpoints: [local] },
      effects: {
        sendOuter: () => undefined,
        deliverInner: () => undefined,
        sendMesh: () => undefined,
        toControl: (message) => this.#toControl(message),
      },
    })
    this.#tenures = new Tenures({
      self: 'sg1',
      state: this.#state,
      sealer,
      toPackets: (message) => this.#core.control(message, this.#nowMs),
      isLeaving: () => false,
      takenOver: () => undefined,
    })
    this.#core.control({ type: 'lease', untilMs: Infinity }, this.#nowMs)
    apply(this.#state, { ...upOf, gateway: 'sg2' })
    const up = apply(this.#state, { ...upOf, gateway: 'sg1' })
    this.#incarnation = up.type === 'up' ? up.incarnation : 0
    this.#tenures.begin(this.#incarnation)
    for (let index = 0; index < sessions; index++) this.#establish(index)
  }

  /** Lets the time pass. */
  run(ms: number): void {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs;) {
      this.#nowMs += 1
      while (this.#log.length > 0 && this.#log[0]!.atMs <= this.#nowMs) this.#commit(this.#log.shift()!.octets)
      for (const { source, event } of this.#calendar.take(this.#nowMs)) {
        const session = this.#sessions[source.index]!
        if (event.up) this.#up(session)
        if (event.down) this.#core.inner(session.down, this.#nowMs)
        this.spent.packets += Number(event.up) + Number(event.down)
        this.#schedule(source)
      }
      if (this.#nowMs % PACKET_TICK_MS === 0) this.#core.tick(this.#nowMs)
      if (this.#nowMs % CONTROL_TICK_MS === 0) this.#tenures.tick(this.#nowMs)
    }
  }

  /** Of each session that has carried something: how far its horizon is ahead. */
  leads(): number[] {
    const { tick } = this.#state.incarnations.get(this.#incarnation)!
    const { children } = this.#state
    return this.#sessions.flatMap(({ spi, next }) => {
      const child = children.find(spi)
      return next === 1 ? [] : [Math.max(0, limitAt(children.horizon(child), tick, children.maximum(child)) - (next - 1))]
    })
  }

  /** The gateway fails, and another one has the sessions: of each that has carried something, how many of its next packets are lost. */
  takeOver(): number[] {
    this.#do({ type: 'gateway-down', incarnation: this.#incarnation })
    return this.#sessions.flatMap(({ id, next }) => {
      const [child] = sessionView(this.#state, id)!.children
      return next === 1 ? [] : [Math.max(0, child!.floor - (next - 1))]
    })
  }

  #establish(index: number): void {
    const [spi, ikeSpi] = [FIRST_SPI + index, BigInt(index + 1) << 32n]
    const address = Uint8Array.of(10, 64 + (index >> 16), index >> 8, index)
    const remote = { address: Uint8Array.of(172, 16 + (index >> 16), index >> 8, index), port: 4500 }
    const id = this.#create(ikeSpi)
    for (let other = 1; other < GATEWAYS; other++) this.#skip(ikeSpi + BigInt(other))
    const child = {
      ...childContext(spi),
      remoteTs: [{ ...childContext(1).remoteTs[0]!, start: address, end: address }],
      secrets: sealChildKeys(sealer, spi, { keyIn: new Uint8Array(20), keyOut: new Uint8Array(20) }),
    }
    const context = { ...establishedContext(ikeSpi, [], [address]), children: [child], local, remote }
    this.#do(exchangeCommand(this.#state, id, { ikeSpi, messageId: 1, context }))
    this.#spreadCeiling(spi)
    const payload = new Uint8Array(4)
    const ports = { sourcePort: 1, destinationPort: 2, payload }
    const upInner = buildUdpPacket({ source: address, destination: host, ...ports })
    const down = buildUdpPacket({ source: host, destination: address, ...ports })
    const cipher = flatEspCrypto.cipher({ encr: 20, keyBits: 128, integ: 0 }, new Uint8Array(20))!
    this.#sessions.push({ id, spi, up: encapsulate(cipher, spi, 1, upInner), down, remote, next: 1 })
    this.#schedule({ index, left: 0, dueMs: 0 })
  }

  #create(ikeSpi: bigint): number {
    const created = this.#do(createCommand(this.#incarnation, ikeSpi))
    return created.type === 'created' ? created.session : 0
  }

  /** The next session's number is another gateway's. */
  #skip(ikeSpi: bigint): void {
    const session = this.#create(ikeSpi)
    const { epoch, version } = ownership(this.#state, session)!
    this.#do({ type: 'end-session', incarnation: this.#incarnation, session, epoch, version, nowMs: wallMs })
  }

  /** A fresh ceiling's lead is asked for again when half of it is used, after tens of seconds: sessions are not all at the same place of it. */
  #spreadCeiling(spiIn: number): void {
    const { children } = this.#state
    children.start[children.find(spiIn)] = 1 + randomBelow(this.#random, OUTBOUND_LEAD / 2)
  }

  #do(command: Command): Result {
    return apply(this.#state, decodeCommand(encodeCommand(command)))
  }

  #schedule(source: Source): void {
    const event = this.#pattern.next(source, this.#nowMs, this.#random)
    if (event !== null) this.#calendar.add(source, event)
  }

  #up(session: Session): void {
    dataView(session.up).setUint32(4, session.next)
    session.next += 1
    this.#core.outer(session.up, local, session.remote, this.#nowMs)
  }

  #toControl(message: FromPackets): void {
    if (message.type === 'resolve') this.#tenures.resolve(message.key, this.#nowMs)
    if (message.type === 'report') this.spent.stalls = message.report.horizonStalls
    if (message.type !== 'advance') return
    const command: Advance = { ...message, incarnation: this.#incarnation }
    const octets = encodeCommand(command)
    this.#log.push({ atMs: this.#nowMs + COMMIT_MS, octets })
    this.told?.(octets, this.#nowMs)
    this.spent.commands += 1
    this.spent.octets += octets.length
    this.spent.records += command.grants.length
    this.spent.renewals += command.renewals.length
    this.spent.octetsByRecords += this.#octetsByRecords(command)
    addLogCosts(this.spent.costs, command, octets.length)
  }

  #commit(octets: Bytes): void {
    const command = decodeCommand(octets)
    const result = apply(this.#state, command)
    if (result.type !== 'batch' || result.refused.length > 0) throw new Error(`a command was refused: ${JSON.stringify(result)}`)
    this.#core.control({ type: 'ticked', tick: this.#state.incarnations.get(this.#incarnation)!.tick }, this.#nowMs)
    this.#tenures.granted(result.taken)
  }

  /** A record for each renewal says what a renewal leaves to the state: epoch, serial, SPI, rate. */
  #octetsByRecords(command: Advance): number {
    const grants = command.renewals.map((session) => {
      const horizon = { wanted: 0, rate: 320, shrink: false }
      const children = [{ spiIn: FIRST_SPI + session, ceiling: null, horizon }]
      return { session, epoch: 1, serial: 100, packetsPerSecond: 100, remote: null, children }
    })
    return encodeCommand({ ...command, grants: [...command.grants, ...grants], renewals: [] }).length
  }
}

const upOf = { type: 'gateway-up', nonce: 1n, capacity: 1, addresses: [] } as const
