/** A gateway's packet core over all lives of its process. */

import type { FromPackets } from '../../../src/gateway/packet-messages.ts'
import { PacketCore } from '../../../src/gateway/packets.ts'
import { sequenceOf, spiOf } from '../../../src/esp/packet.ts'
import { formatAddress } from '../../../src/context/address.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'
import { parseUdpPacket } from '../../../src/kit/ip-packet.ts'
import { TICK_MS } from '../../../src/context/grants.ts'
import type { Endpoint } from '../../../src/context/session-context.ts'
import { endpointName } from '../whereabouts.ts'
import { canonical } from './canonical.ts'
import { plainEspCrypto } from './crypto.ts'
import type { Instance } from './machine.ts'
import type { Setup } from './setup.ts'
import type { Effect, PacketInput, Vocabulary } from './vocabulary.ts'

export interface PacketSummary {
  readonly incarnation: number
}

const FIRST_MS = 1000
/** Nothing in a packet core waits for longer than 5 s; what is older is as old as this. */
const OLDEST = 210
/** Between two ticks so many proposals may be sent at once, each a millisecond after the last, and ages stay what they are in steps of a tick. */
const MAX_EXTRA_MS = 9

export class PacketHalf implements Instance<PacketInput, PacketSummary> {
  readonly #self: string
  readonly #setup: Setup
  readonly #vocabulary: Vocabulary
  #core: PacketCore
  #nowMs = FIRST_MS
  #extraMs = 0
  /** Something was proposed in this millisecond, so nothing more would be. */
  #hasProposed = false
  #effects: number[] = []

  constructor(self: string, setup: Setup, vocabulary: Vocabulary) {
    this.#self = self
    this.#setup = setup
    this.#vocabulary = vocabulary
    this.#core = this.#create()
  }

  react(input: PacketInput): readonly number[] {
    this.#effects = []
    if (input.type !== 'tick' && this.#hasProposed) this.#passMillisecond()
    this.#take(input)
    return this.#effects
  }

  fingerprint(): string {
    return canonical(this.#core.inspect((atMs) => Math.min(OLDEST, Math.floor((this.#nowMs - atMs) / TICK_MS))))
  }

  summary(): PacketSummary {
    return { incarnation: (this.#core.inspect(() => 0) as readonly number[])[0]! }
  }

  #passMillisecond(): void {
    this.#hasProposed = false
    this.#extraMs += 1
    this.#nowMs += 1
    if (this.#extraMs > MAX_EXTRA_MS) throw new RangeError('the scope is too large for ages in ticks')
  }

  #take(input: PacketInput): void {
    const { local, remote, inbound, outbound, request, requestFrom } = this.#setup
    switch (input.type) {
      case 'control':
        this.#core.control(input.message, this.#nowMs)
        // Cores are asked every few ms; the first time is not a tick of theirs.
        if (input.message.type === 'incarnation') this.#core.tick(this.#nowMs)
        return
      case 'inbound':
        return this.#core.outer(inbound(input.number), local, remote, this.#nowMs)
      case 'outbound':
        return this.#core.inner(outbound.slice(), this.#nowMs)
      case 'request':
        return this.#core.outer(withMarker(request), local, requestFrom, this.#nowMs)
      case 'mesh':
        return this.#core.mesh(input.from, input.octets, this.#nowMs)
      case 'tick':
        this.#hasProposed = false
        this.#nowMs += TICK_MS
        return this.#core.tick(this.#nowMs)
      case 'restart':
        this.#core = this.#create()
        this.#effects = []
    }
  }

  #create(): PacketCore {
    this.#nowMs = FIRST_MS
    this.#extraMs = 0
    this.#hasProposed = false
    const core = new PacketCore({
      self: this.#self,
      crypto: plainEspCrypto,
      horizonMs: 2 * TICK_MS,
      limitWaitMs: 200,
      mtu: 1400,
      ownInnerAddresses: [],
      natTPorts: [this.#setup.local.port],
      gatewayDownMs: 300,
      reply: { way: 'direct', endpoints: [this.#setup.local] },
      effects: {
        sendOuter: (_local, remote, datagram) => this.#sent(remote, datagram.slice()),
        deliverInner: (packet) => this.#delivered(packet.slice()),
        sendMesh: (to, octets) => this.#do({ type: 'mesh', to, octets }),
        toControl: (message) => this.#toControl(message),
      },
    })
    core.control({ type: 'lease', untilMs: Infinity }, this.#nowMs)
    core.tick(this.#nowMs)
    return core
  }

  #do(effect: Effect): void {
    this.#effects.push(this.#vocabulary.effects.id(effect))
  }

  #sent(remote: Endpoint, datagram: Bytes): void {
    if (spiOf(datagram) === 0) this.#do({ type: 'ike', octets: datagram.subarray(4) })
    else this.#do({ type: 'esp', spi: spiOf(datagram), number: sequenceOf(datagram), to: endpointName(remote), octets: datagram })
  }

  #delivered(packet: Bytes): void {
    const udp = parseUdpPacket(packet)!
    this.#do({ type: 'inner', number: dataView(udp.payload).getUint32(0), source: formatAddress(udp.source) })
  }

  #toControl(message: FromPackets): void {
    // Counters, by which only lifetimes go.
    if (message.type === 'report' || message.type === 'counted') return
    if (message.type === 'advance' && message.tick === 0) this.#hasProposed = true
    this.#do({ type: 'to-control', input: this.#vocabulary.control.id({ type: 'packets', message }) })
  }
}

function withMarker(message: Bytes): Bytes {
  const datagram = new Uint8Array(4 + message.length)
  datagram.set(message, 4)
  return datagram
}
