/**
 * An adversary on the clients' network (S2, S3): takes down what clients send to port 4500, ESP and IKE, and sends some of it again up to some seconds later, octet for octet, to
 * every gateway at once. By then the session may have another owner.
 */

import type { Bytes } from '../../src/kit/bytes.ts'
import { interfaceIndex, interfaceLinkLayerAddress, openPacketSocket, receiveFrame, sendFrame } from '../../src/network/syscalls.ts'
import type { Random } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import { inNamespace } from './netns.ts'

/** Also what leaves: a socket for one type of frame sees only what comes in. */
const ETH_P_ALL = 0x0003
const ONE_IN = 5
const SOONEST_MS = 5
const LATEST_MS = 8_000
const UDP = 17
const FRAME_OCTETS = 1600
const ETHERNET_OCTETS = 14
const SHORTEST_OCTETS = 14 + 20 + 8 + 8
const NAT_T_PORT = 4500
/** Everybody's hardware address: whoever has the cluster's takes the packet. */
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]

/** At a client's interface, with its hardware address: others' copies come by there, too. */
interface Tap {
  readonly fd: number
  readonly own: Bytes
}

interface Kept {
  readonly fd: number
  readonly atMs: number
  readonly frame: Bytes
}

export class Replayer {
  replayed = 0
  readonly #random: Random
  readonly #gateway: Bytes
  readonly #taps: Tap[] = []
  readonly #buffer = new Uint8Array(FRAME_OCTETS)
  #kept: Kept[] = []

  /** In each of these namespaces, at `eth0`; `gateway`: the cluster address, IPv4. */
  static async open(namespaces: readonly string[], gateway: Bytes, random: Random): Promise<Replayer> {
    const replayer = new Replayer(gateway, random)
    for (const namespace of namespaces) {
      replayer.#taps.push(
        await inNamespace(namespace, async () =>
          Promise.resolve({ fd: openPacketSocket(interfaceIndex('eth0'), ETH_P_ALL), own: interfaceLinkLayerAddress('eth0') }),
        ),
      )
    }
    return replayer
  }

  private constructor(gateway: Bytes, random: Random) {
    this.#gateway = gateway
    this.#random = random
  }

  /** To be called often: what comes waits in the sockets meanwhile. */
  tick(nowMs: number): void {
    for (const { fd, own } of this.#taps) {
      for (let length = receiveFrame(fd, this.#buffer); length !== -1; length = receiveFrame(fd, this.#buffer)) {
        if (!this.#isToGateway(own, length) || randomBelow(this.#random, ONE_IN) > 0) continue
        const frame = this.#buffer.slice(0, length)
        frame.set(BROADCAST)
        // The interface was to work the checksum out; 0 is none (RFC 768).
        frame.fill(0, udpOf(frame) + 6, udpOf(frame) + 8)
        this.#kept.push({ fd, atMs: nowMs + SOONEST_MS + randomBelow(this.#random, LATEST_MS), frame })
      }
    }
    const due = this.#kept.filter(({ atMs }) => atMs <= nowMs)
    if (due.length === 0) return
    this.#kept = this.#kept.filter(({ atMs }) => atMs > nowMs)
    for (const { fd, frame } of due) if (sendFrame(fd, frame) === 0) this.replayed += 1
  }

  /** In the buffer is what this client sends: IPv4, UDP, to port 4500 of the cluster address, and more than a keepalive. */
  #isToGateway(own: Bytes, length: number): boolean {
    const frame = this.#buffer
    if (length < SHORTEST_OCTETS || frame[12] !== 0x08 || frame[13] !== 0 || frame[ETHERNET_OCTETS + 9] !== UDP) return false
    const udp = udpOf(frame)
    const port = (frame[udp + 2]! << 8) | frame[udp + 3]!
    const isOwn = own.every((octet, i) => frame[own.length + i] === octet)
    return isOwn && port === NAT_T_PORT && this.#gateway.every((octet, i) => frame[ETHERNET_OCTETS + 16 + i] === octet)
  }
}

function udpOf(frame: Bytes): number {
  return ETHERNET_OCTETS + (frame[ETHERNET_OCTETS]! & 0x0f) * 4
}
