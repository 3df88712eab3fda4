/**
 * What the clients' network must show of the gateways. Pure: the frames of all clients' ports come in, in the order of their capture.
 *
 * Of ESP, by SPI and client:
 * - no sequence number twice, whoever sent it and whenever (S1: the explicit IVs are the numbers);
 * - what one gateway sends goes forward only: a gateway's packets to a client take one way, which keeps their order;
 * - what another gateway sends may come after a higher number of its successor's, since the two ways are independent: for no longer than `lateMs` after that number, the serving
 *   lease of a gateway that has been overtaken and does not know. Later it must have stopped, however it was cut off. A gateway that stood still (SIGSTOP) looks at its lease before it sends anything.
 *
 * Of IKE, by IKE SA, direction and Message ID: the same octets each time (S3), whichever gateway sends them.
 */

import { SequenceHistory } from '../../src/client/sequence-history.ts'
import { toHex } from '../../src/kit/bytes.ts'
import type { Frame } from './pcapng.ts'

export interface WireRules {
  /** The serving lease, and what a machine takes on top. */
  readonly lateMs: number
  /** The gateway's name by the hardware address that a frame has as its source. */
  readonly gatewayOf: (hardware: string) => string
}

export interface WireProblem {
  readonly timeMs: number
  readonly text: string
}

export interface WireTotals {
  esp: number
  ike: number
  /** IKE messages that were sent again, octet for octet. */
  repeated: number
  /** ESP packets that came after a higher number of another gateway, and by how much the latest, in ms. */
  overtaken: number
  latestMs: number
  flows: number
}

interface Flow {
  readonly seen: SequenceHistory
  /** When the highest number rose to what; ascending. */
  readonly rises: { readonly number: number; readonly timeMs: number }[]
  /** By the hardware address of who sent it. */
  readonly highestOf: Map<string, number>
}

/** From then on a client's ESP comes from there. */
export interface Carrying {
  readonly timeMs: number
  readonly gateway: string
}

const ETHERTYPE_IPV4 = 0x0800
const UDP = 17
const ETHERNET_OCTETS = 14
const UDP_OCTETS = 8
const IKE_PORT = 500
const NAT_T_PORT = 4500
const IKE_HEADER_OCTETS = 28

export class WireChecks {
  readonly totals: WireTotals = { esp: 0, ike: 0, repeated: 0, overtaken: 0, latestMs: 0, flows: 0 }
  readonly problems: WireProblem[] = []
  readonly #rules: WireRules
  /** Of each client, by its address. */
  readonly carriers = new Map<string, Carrying[]>()
  readonly #flows = new Map<string, Flow>()
  readonly #messages = new Map<string, Uint8Array>()

  constructor(rules: WireRules) {
    this.#rules = rules
  }

  frame({ timeMs, bytes, isCut }: Frame): void {
    const datagram = udpOf(bytes)
    if (datagram === null) return
    const { source, client, payload, port } = datagram
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    if (port === IKE_PORT) return this.#ike(client, payload, timeMs, isCut, source)
    if (payload.length < 8) return
    if (view.getUint32(0) === 0) return this.#ike(client, payload.subarray(4), timeMs, isCut, source)
    this.#esp(client, view.getUint32(0), view.getUint32(4), timeMs, source)
  }

  #esp(client: string, spi: number, number: number, timeMs: number, hardware: string): void {
    this.totals.esp += 1
    const from = this.#rules.gatewayOf(hardware)
    this.#carries(client, from, timeMs)
    const name = `${client} ${spi.toString(16).padStart(8, '0')}`
    let flow = this.#flows.get(name)
    if (flow === undefined) {
      this.#flows.set(name, (flow = { seen: new SequenceHistory(), rises: [], highestOf: new Map() }))
      this.totals.flows += 1
    }
    const own = flow.highestOf.get(hardware) ?? 0
    const highest = flow.rises.at(-1)?.number ?? 0
    if (flow.seen.see(number)) this.#problem(timeMs, `ESP to ${name}: number ${number} a second time, from ${from} (S1)`)
    else if (number < own) this.#problem(timeMs, `ESP to ${name}: number ${number} from ${from} after its own ${own}`)
    else if (number < highest) this.#overtaken(flow, name, number, timeMs, from)
    flow.highestOf.set(hardware, Math.max(own, number))
    if (number > highest) flow.rises.push({ number, timeMs })
  }

  #overtaken({ rises }: Flow, name: string, number: number, timeMs: number, from: string): void {
    // The first that was higher.
    let low = 0
    for (let high = rises.length; low < high;) {
      const middle = (low + high) >>> 1
      if (rises[middle]!.number > number) high = middle
      else low = middle + 1
    }
    const lateMs = timeMs - rises[low]!.timeMs
    this.totals.overtaken += 1
    this.totals.latestMs = Math.max(this.totals.latestMs, lateMs)
    if (lateMs <= this.#rules.lateMs) return
    this.#problem(
      timeMs,
      `ESP to ${name}: number ${number} from ${from}, ${lateMs.toFixed(0)} ms after a higher one: it should serve no more`,
    )
  }

  #carries(client: string, gateway: string, timeMs: number): void {
    const carriers = this.carriers.get(client) ?? []
    if (carriers.at(-1)?.gateway !== gateway) carriers.push({ timeMs, gateway })
    this.carriers.set(client, carriers)
  }

  /** A message of the gateways': RFC 7296 §3.1. */
  #ike(client: string, message: Uint8Array, timeMs: number, isCut: boolean, hardware: string): void {
    if (message.length < IKE_HEADER_OCTETS || isCut) return
    this.totals.ike += 1
    // Without a responder's SPI it is a cookie or a refusal, which nobody remembers.
    if (message.subarray(8, 16).every((octet) => octet === 0)) return
    const [, , exchange, flags] = message.subarray(16, 20)
    const view = new DataView(message.buffer, message.byteOffset, message.length)
    const messageId = view.getUint32(20)
    const spis = toHex(message.subarray(0, 16))
    const key = `${spis} ${exchange} ${flags! & 0x20} ${messageId} ${fragmentOf(message)}`
    const before = this.#messages.get(key)
    if (before === undefined) {
      this.#messages.set(key, message.slice())
      return
    }
    this.totals.repeated += 1
    if (before.length === message.length && before.every((octet, i) => octet === message[i])) return
    const text = `IKE to ${client}, exchange ${exchange}, Message ID ${messageId}: ${this.#rules.gatewayOf(hardware)} sends other octets than were sent before (S3)`
    this.#problem(timeMs, text)
  }

  #problem(timeMs: number, text: string): void {
    this.problems.push({ timeMs, text })
  }
}

const ENCRYPTED_FRAGMENT = 53

/** A fragment's number (RFC 7383 §2.5); 0 for a whole message. */
function fragmentOf(message: Uint8Array): number {
  if (message[16] !== ENCRYPTED_FRAGMENT || message.length < IKE_HEADER_OCTETS + 8) return 0
  return (message[IKE_HEADER_OCTETS + 4]! << 8) | message[IKE_HEADER_OCTETS + 5]!
}

interface Datagram {
  /** The hardware address of who sent the frame. */
  readonly source: string
  readonly client: string
  readonly port: number
  readonly payload: Uint8Array
}

/** What a gateway sends from port 500 or 4500 over IPv4; null for anything else. */
function udpOf(frame: Uint8Array): Datagram | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < ETHERNET_OCTETS + 20 || view.getUint16(12) !== ETHERTYPE_IPV4) return null
  const header = (frame[ETHERNET_OCTETS]! & 0x0f) * 4
  const udp = ETHERNET_OCTETS + header
  if (frame[ETHERNET_OCTETS + 9] !== UDP || frame.length < udp + UDP_OCTETS) return null
  const port = view.getUint16(udp)
  if (port !== IKE_PORT && port !== NAT_T_PORT) return null
  const length = view.getUint16(udp + 4) - UDP_OCTETS
  return {
    source: [...frame.subarray(6, 12)].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
    client: frame.subarray(ETHERNET_OCTETS + 16, ETHERNET_OCTETS + 20).join('.'),
    port,
    payload: frame.subarray(udp + UDP_OCTETS, udp + UDP_OCTETS + length),
  }
}
