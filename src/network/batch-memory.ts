/**
 * The memory that recvmmsg(2), sendmmsg(2) and writev(2) work on, allocated once: headers, the parts that they gather, socket addresses, control messages,
 * and a slot for each datagram or packet.
 *
 * Raw memory: the kernel is told addresses inside these areas only. They are computed here from slot numbers, never from what a peer or a
 * caller says; a slot takes any datagram that UDP can carry and any IP packet, so nothing is ever cut; lengths that the kernel returns are cut to the slot's.
 *
 *     mmsghdr (64 octets, Linux on 64 bits): name (8), name length (4), pad (4), iovec (8), iovec count (8), control (8), control length (8), flags (4),
 *                                            pad (4) │ length of the datagram (4), pad (4)
 *     iovec (16): address (8), length (8)
 *     cmsghdr (24 with its value): length (8), level (4), type (4), the size of a segment (2), pad (6)
 */

import { AssertionError } from '../kit/assert.ts'
import { SOL_UDP, UDP_SEGMENT, native } from './native.ts'

/** As many as pay (32 and 128 are no faster), and about a quarter of a millisecond's work. The kernel takes no more segments than these as one, either. */
export const BATCH_DATAGRAMS = 64
export const NAME_OCTETS = 28
export const SLOT_OCTETS = 65_536
/** The `virtio_net_hdr` before each packet of a TUN device (linux/virtio_net.h). */
export const VNET_HEADER_OCTETS = 10

const HEADER_OCTETS = 64
const IOVEC_OCTETS = 16
const NAME_STRIDE = 32
const CONTROL_STRIDE = 32
/** Slots at a distance that is no multiple of a cache's size: otherwise all packets of a batch would share a few of its lines. */
const SLOT_STRIDE = SLOT_OCTETS + 1536
const NAME_LENGTH_AT = 8
const IOVEC_AT = 16
const IOVEC_COUNT_AT = 24
const CONTROL_AT = 32
const CONTROL_LENGTH_AT = 40
const LENGTH_AT = 56
/** CMSG_LEN and CMSG_SPACE of a 16-bit value. */
const CONTROL_LENGTH = 18
const CONTROL_SPACE = 24

/** All of BATCH_DATAGRAMS: at first header `i` is of a message that is slot `i` alone, with name `i`. */
export class BatchMemory {
  readonly octets: Uint8Array
  readonly view: DataView
  /** Of each header, for a call that starts there. */
  readonly headers: readonly bigint[]
  /** Of the first part. */
  readonly parts: bigint
  readonly #base: number
  readonly #iovecsAt = BATCH_DATAGRAMS * HEADER_OCTETS
  readonly #namesAt = this.#iovecsAt + BATCH_DATAGRAMS * IOVEC_OCTETS
  readonly #controlsAt = this.#namesAt + BATCH_DATAGRAMS * NAME_STRIDE
  readonly #slotsAt = this.#controlsAt + BATCH_DATAGRAMS * CONTROL_STRIDE

  constructor() {
    const { octets, base } = allocate(this.#slotsAt + BATCH_DATAGRAMS * SLOT_STRIDE)
    this.octets = octets
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
    // An address of a process is below 2^47.
    this.#base = Number(base)
    this.parts = base + BigInt(this.#iovecsAt)
    this.headers = Array.from({ length: BATCH_DATAGRAMS }, (_, i) => base + BigInt(i * HEADER_OCTETS))
    octets.fill(0, 0, this.#slotsAt)
    for (let i = 0; i < BATCH_DATAGRAMS; i++) {
      this.setMessage(i, { name: i, nameOctets: NAME_OCTETS, part: i, parts: 1, segmentOctets: 0 })
      this.setPart(i, this.slotAt(i), SLOT_OCTETS)
    }
  }

  nameAt(slot: number): number {
    return this.#namesAt + slot * NAME_STRIDE
  }

  slotAt(slot: number): number {
    return this.#slotsAt + slot * SLOT_STRIDE
  }

  setNameLength(header: number, octets: number): void {
    this.view.setUint32(header * HEADER_OCTETS + NAME_LENGTH_AT, octets, true)
  }

  receivedLength(header: number): number {
    return Math.min(this.view.getUint32(header * HEADER_OCTETS + LENGTH_AT, true), SLOT_OCTETS)
  }

  /** Part `index` of what messages gather: so many octets from `from` on, all of them of one slot. */
  setPart(index: number, from: number, octets: number): void {
    if (!(index >= 0 && index < BATCH_DATAGRAMS)) throw new AssertionError(`expected one of ${BATCH_DATAGRAMS} parts, got ${index}`)
    const offset = (from - this.#slotsAt) % SLOT_STRIDE
    if (!(offset >= 0 && octets >= 0 && offset + octets <= SLOT_STRIDE)) throw new AssertionError('a part is within a slot')
    const at = this.#iovecsAt + index * IOVEC_OCTETS
    this.#setAddress(at, from)
    this.view.setUint32(at + 8, octets, true)
  }

  /** What the header is of: parts from `part` on, to a name. `segmentOctets`: the kernel cuts it into datagrams of so many; 0: it is one datagram. */
  setMessage(
    header: number,
    {
      name,
      nameOctets,
      part,
      parts,
      segmentOctets,
    }: {
      readonly name: number
      readonly nameOctets: number
      readonly part: number
      readonly parts: number
      readonly segmentOctets: number
    },
  ): void {
    const { view } = this
    const at = header * HEADER_OCTETS
    this.#setAddress(at, this.nameAt(name))
    this.setNameLength(header, nameOctets)
    this.#setAddress(at + IOVEC_AT, this.#iovecsAt + part * IOVEC_OCTETS)
    view.setUint32(at + IOVEC_COUNT_AT, parts, true)
    const control = this.#controlsAt + header * CONTROL_STRIDE
    if (segmentOctets > 0) {
      view.setUint32(control, CONTROL_LENGTH, true)
      view.setUint32(control + 8, SOL_UDP, true)
      view.setUint32(control + 12, UDP_SEGMENT, true)
      view.setUint16(control + 16, segmentOctets, true)
      this.#setAddress(at + CONTROL_AT, control)
    } else view.setBigUint64(at + CONTROL_AT, 0n, true)
    view.setUint32(at + CONTROL_LENGTH_AT, segmentOctets > 0 ? CONTROL_SPACE : 0, true)
  }

  /** Writes the address of what is at `offset` of this memory. */
  #setAddress(at: number, offset: number): void {
    const address = this.#base + offset
    this.view.setUint32(at, address % 2 ** 32, true)
    this.view.setUint32(at + 4, Math.floor(address / 2 ** 32), true)
  }
}

export function isOctets(value: unknown, least: number, most: number): boolean {
  return value instanceof Uint8Array && value.length >= least && value.length <= most
}

/** For the life of the thread: batches are made once and never freed, so no view ever outlives its memory. */
export function allocate(octets: number): { octets: Uint8Array; base: bigint } {
  const { koffi } = native()
  const memory: unknown = koffi.alloc('uint8_t', octets)
  return { octets: new Uint8Array(koffi.view(memory, octets)), base: koffi.address(memory) }
}
