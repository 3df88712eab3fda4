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
import { BATCH_DATAGRAMS, BatchMemory, VNET_HEADER_OCTETS, isOctets } from './batch-memory.ts'
import { Messages, NONE } from './messages.ts'
import { EINVAL, MAX_PACKET_OCTETS, descriptor, native } from './native.ts'
import { Segments, TCP, UDP, checksumOffset } from './segments.ts'

const FLOWS = 256
/** At a multiple of 4, with room for its virtio_net_hdr right before it. */
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
  /** Their octets are those of the payload. */
  readonly #messages = new Messages()
  #count = 0
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
    return this.#messages.count
  }

  /** Copies a packet in. The batch must not be full. */
  add(packet: Bytes): void {
    const slot = this.#count
    if (slot >= BATCH_DATAGRAMS) throw new AssertionError('a batch that is full is written first')
    if (!isOctets(packet, 1, MAX_PACKET_OCTETS)) throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets to write`)
    const at = this.#memory.slotAt(slot) + PACKET_AT
    this.#memory.octets.set(packet, at)
    this.#lengths[slot] = packet.length
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
    this.#latest[hash] = this.#begin(slot)
  }

  /** The number of the new message. */
  #begin(slot: number): number {
    const segments = this.#segments
    return this.#messages.begin(slot, segments.payloadOctets(slot), !this.#mayMerge(slot) || segments.isLast(slot, slot))
  }

  #isJoinedTo(message: number, slot: number): boolean {
    const [segments, messages] = [this.#segments, this.#messages]
    const first = messages.first(message)
    if (messages.isFull(message) || !this.#mayMerge(slot) || !segments.isSameFlow(slot, first)) return false
    if (!segments.follows(slot, first, messages.last(message), messages.octets(message))) return false
    messages.join(message, slot, segments.payloadOctets(slot), segments.isLast(slot, first))
    return true
  }

  #mayMerge(slot: number): boolean {
    return this.#segments.mayMerge(slot) && (this.#batchesWithoutUdp === 0 || this.#segments.transport(slot) !== UDP)
  }

  /** Writes everything now or not at all; `onDrop` gets errno and how many packets were not written because of it. The batch is empty afterwards. */
  write(fd: number, onDrop: (errno: number, packets: number) => void): void {
    descriptor(fd)
    if (this.#batchesWithoutUdp > 0) this.#batchesWithoutUdp -= 1
    for (let message = 0; message < this.#messages.count; message++) {
      if (this.#messages.slots(message) === 1) this.#writeAlone(fd, this.#messages.first(message), onDrop)
      else this.#writeMerged(fd, message, onDrop)
    }
    this.#count = 0
    this.#messages.clear()
    this.#latest.fill(NONE)
  }

  #writeAlone(fd: number, slot: number, onDrop: (errno: number, packets: number) => void): void {
    const at = this.#memory.slotAt(slot) + PACKET_AT - VNET_HEADER_OCTETS
    this.#memory.octets.fill(0, at, at + VNET_HEADER_OCTETS)
    this.#memory.setPart(0, at, VNET_HEADER_OCTETS + this.#lengths[slot]!)
    const errno = this.#writeParts(fd, 1)
    if (errno !== 0) onDrop(errno, 1)
  }

  #writeMerged(fd: number, message: number, onDrop: (errno: number, packets: number) => void): void {
    const [segments, messages, { octets }] = [this.#segments, this.#messages, this.#memory]
    const first = messages.first(message)
    const at = this.#memory.slotAt(first) + PACKET_AT
    const headers = segments.headerOctets(first)
    this.#headers.set(octets.subarray(at, at + headers))
    segments.merge(first, messages.last(message), messages.octets(message))
    this.#writeHeader(first, at - VNET_HEADER_OCTETS)
    this.#memory.setPart(0, at - VNET_HEADER_OCTETS, VNET_HEADER_OCTETS + this.#lengths[first]!)
    let parts = 1
    for (let slot = messages.next(first); slot !== NONE; slot = messages.next(slot))
      this.#memory.setPart(parts++, this.#memory.slotAt(slot) + PACKET_AT + headers, segments.payloadOctets(slot))
    const errno = this.#writeParts(fd, parts)
    if (errno === 0) return
    if (errno !== EINVAL) return onDrop(errno, parts)
    if (segments.transport(first) === UDP) this.#batchesWithoutUdp = TRY_AGAIN_BATCHES
    octets.set(this.#headers.subarray(0, headers), at)
    for (let slot = first; slot !== NONE; slot = messages.next(slot)) this.#writeAlone(fd, slot, onDrop)
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
