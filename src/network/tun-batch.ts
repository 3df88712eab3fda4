/**
 * IP packets for a TUN device, gathered and written in the order of each flow; what follows one another in a flow (segments.ts) as one packet, which the
 * kernel cuts again as late as it can: the way of a packet through the system, several times the cost of all that is done here, is gone once for all of
 * them.
 *
 * Before each packet stands a `virtio_net_hdr` (linux/virtio_net.h; 10 octets, little-endian), as `IFF_VNET_HDR` wants it: flags, kind of segments (1
 * each), length of the headers, payload of a segment, where the checksum begins, and at which offset from there it stands (2 each).
 */

import { AssertionError } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { BATCH_DATAGRAMS, BatchMemory, isOctets } from './batch-memory.ts'
import { EINVAL, MAX_PACKET_OCTETS, descriptor, native } from './native.ts'
import { Segments, TCP, UDP, checksumOffset } from './segments.ts'

const NONE = 255
const FLOWS = 256
/** A packet begins at a multiple of 4, right behind its virtio_net_hdr. */
const HEADER_OCTETS = 10
const PACKET_AT = 12
const NEEDS_CHECKSUM = 1
const TCP_IPV4 = 1
const TCP_IPV6 = 4
const UDP_SEGMENTS = 5
/** What was refused is tried again after so many batches. */
const TRY_AGAIN_BATCHES = 4096
/** Of IP and TCP, at most. */
const MAX_HEADERS_OCTETS = 100

export class TunBatch {
  readonly #memory = new BatchMemory()
  readonly #segments = new Segments(this.#memory.octets, BATCH_DATAGRAMS)
  readonly #lengths = new Uint32Array(BATCH_DATAGRAMS)
  /** The next packet of the same message. */
  readonly #next = new Uint8Array(BATCH_DATAGRAMS)
  #count = 0
  /** Of each message: its first packet, the last one, how many, the payload of all, and whether it takes no more. */
  readonly #first = new Uint8Array(BATCH_DATAGRAMS)
  readonly #last = new Uint8Array(BATCH_DATAGRAMS)
  readonly #packets = new Uint8Array(BATCH_DATAGRAMS)
  readonly #payload = new Uint32Array(BATCH_DATAGRAMS)
  readonly #isFull = new Uint8Array(BATCH_DATAGRAMS)
  #messages = 0
  /** The latest message of a flow, by the flow's hash. Of two flows with one hash the one that came last has it. */
  readonly #latest = new Uint8Array(FLOWS).fill(NONE)
  readonly #headers = new Uint8Array(MAX_HEADERS_OCTETS)
  /** A kernel before 6.2 takes no merged UDP; one that refuses it is not asked for a while. */
  #batchesWithoutUdp = 0

  /** Packets in it. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === BATCH_DATAGRAMS
  }

  /** As how many packets they will be written. */
  get messages(): number {
    return this.#messages
  }

  /** Copies a packet in. The batch must not be full. */
  add(packet: Bytes): void {
    const slot = this.#count
    if (slot >= BATCH_DATAGRAMS) throw new AssertionError('a batch that is full is written first')
    if (!isOctets(packet, 1, MAX_PACKET_OCTETS)) throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets to write`)
    const at = this.#memory.slotAt(slot) + PACKET_AT
    this.#memory.octets.set(packet, at)
    this.#lengths[slot] = packet.length
    this.#next[slot] = NONE
    this.#count = slot + 1
    this.#segments.look(slot, at, packet.length)
    if (!this.#segments.isOfFlow(slot)) {
      // It may belong to any flow (a fragment, an error message): nothing that comes later may be written before it.
      this.#begin(slot)
      this.#latest.fill(NONE)
      return
    }
    const hash = this.#segments.hash(slot)
    const latest = this.#latest[hash]!
    if (latest !== NONE && this.#isJoinedTo(latest, slot)) return
    this.#latest[hash] = this.#messages
    this.#begin(slot)
  }

  #begin(slot: number): void {
    const segments = this.#segments
    const message = this.#messages++
    this.#first[message] = slot
    this.#last[message] = slot
    this.#packets[message] = 1
    this.#payload[message] = segments.payloadOctets(slot)
    this.#isFull[message] = this.#mayMerge(slot) && !segments.isLast(slot, slot) ? 0 : 1
  }

  #isJoinedTo(message: number, slot: number): boolean {
    const segments = this.#segments
    const [first, last] = [this.#first[message]!, this.#last[message]!]
    if (this.#isFull[message] === 1 || !this.#mayMerge(slot) || !segments.isSameFlow(slot, first)) return false
    if (!segments.follows(slot, first, last, this.#payload[message]!)) return false
    this.#next[last] = slot
    this.#last[message] = slot
    this.#packets[message]! += 1
    this.#payload[message]! += segments.payloadOctets(slot)
    if (segments.isLast(slot, first)) this.#isFull[message] = 1
    return true
  }

  #mayMerge(slot: number): boolean {
    return this.#segments.mayMerge(slot) && (this.#batchesWithoutUdp === 0 || this.#segments.transport(slot) !== UDP)
  }

  /** Writes everything now or not at all; `onDrop` gets errno and how many packets were not written because of it. The batch is empty afterwards. */
  write(fd: number, onDrop: (errno: number, packets: number) => void): void {
    descriptor(fd)
    if (this.#batchesWithoutUdp > 0) this.#batchesWithoutUdp -= 1
    for (let message = 0; message < this.#messages; message++) {
      const packets = this.#packets[message]!
      if (packets === 1) this.#writeAlone(fd, this.#first[message]!, onDrop)
      else this.#writeMerged(fd, message, onDrop)
    }
    this.#count = 0
    this.#messages = 0
    this.#latest.fill(NONE)
  }

  #writeAlone(fd: number, slot: number, onDrop: (errno: number, packets: number) => void): void {
    const at = this.#memory.slotAt(slot) + PACKET_AT - HEADER_OCTETS
    this.#memory.octets.fill(0, at, at + HEADER_OCTETS)
    this.#memory.setPart(0, at, HEADER_OCTETS + this.#lengths[slot]!)
    const errno = this.#writeParts(fd, 1)
    if (errno !== 0) onDrop(errno, 1)
  }

  #writeMerged(fd: number, message: number, onDrop: (errno: number, packets: number) => void): void {
    const [segments, { octets }] = [this.#segments, this.#memory]
    const first = this.#first[message]!
    const at = this.#memory.slotAt(first) + PACKET_AT
    const headers = segments.headerOctets(first)
    this.#headers.set(octets.subarray(at, at + headers))
    segments.merge(first, this.#last[message]!, this.#payload[message]!)
    this.#writeHeader(first, at - HEADER_OCTETS)
    this.#memory.setPart(0, at - HEADER_OCTETS, HEADER_OCTETS + this.#lengths[first]!)
    let parts = 1
    for (let slot = this.#next[first]!; slot !== NONE; slot = this.#next[slot]!)
      this.#memory.setPart(parts++, this.#memory.slotAt(slot) + PACKET_AT + headers, segments.payloadOctets(slot))
    const errno = this.#writeParts(fd, parts)
    if (errno === 0) return
    if (errno !== EINVAL) return onDrop(errno, parts)
    if (segments.transport(first) === UDP) this.#batchesWithoutUdp = TRY_AGAIN_BATCHES
    octets.set(this.#headers.subarray(0, headers), at)
    for (let slot = first; slot !== NONE; slot = this.#next[slot]!) this.#writeAlone(fd, slot, onDrop)
  }

  #writeHeader(first: number, at: number): void {
    const [segments, { view }] = [this.#segments, this.#memory]
    const transport = segments.transport(first)
    view.setUint8(at, NEEDS_CHECKSUM)
    view.setUint8(at + 1, transport === TCP ? (segments.isIpv4(first) ? TCP_IPV4 : TCP_IPV6) : UDP_SEGMENTS)
    view.setUint16(at + 2, segments.headerOctets(first), true)
    view.setUint16(at + 4, segments.payloadOctets(first), true)
    view.setUint16(at + 6, segments.ipOctets(first), true)
    view.setUint16(at + 8, checksumOffset(transport), true)
  }

  /** 0, or errno. */
  #writeParts(fd: number, parts: number): number {
    const { writev, errno } = native()
    return (writev(fd, this.#memory.parts, parts) as number) < 0 ? errno() : 0
  }
}
