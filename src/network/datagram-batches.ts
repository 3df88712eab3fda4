/**
 * Many packets a system call: recvmmsg(2), sendmmsg(2), and read and write of a TUN device, all on memory that this file allocates once.
 *
 * Raw memory: the kernel is told addresses inside these areas only. They are computed here from slot numbers, never from what a peer or a
 * caller says; a slot takes any datagram that UDP can carry, so nothing is ever cut; lengths that the kernel returns are cut to the slot's. What is
 * handed out are views of a slot, good until the next call on the same batch.
 *
 *     mmsghdr (64 octets, Linux on 64 bits): name (8), name length (4), pad (4), iovec (8), iovec count (8), control (8), control length (8), flags (4),
 *                                            pad (4) │ length of the datagram (4), pad (4)
 */

import { AssertionError } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { EAGAIN, MAX_PACKET_OCTETS, checkOrAgain, descriptor, native } from './native.ts'

/** As many as pay (32 and 128 are no faster), and about a quarter of a millisecond's work. */
export const BATCH_DATAGRAMS = 64

const HEADER_OCTETS = 64
const IOVEC_OCTETS = 16
const NAME_OCTETS = 28
const NAME_STRIDE = 32
const SLOT_OCTETS = 65_536
/** Slots at a distance that is no multiple of a cache's size: otherwise all packets of a batch would share a few of its lines. */
const SLOT_STRIDE = SLOT_OCTETS + 1536
const NAME_LENGTH_AT = 8
const IOVEC_AT = 16
const IOVEC_COUNT_AT = 24
const LENGTH_AT = 56
const MSG_DONTWAIT = 0x40
const AF_INET = 2
const AF_INET6 = 10

/** Headers, names and slots of one batch. */
class Batch {
  readonly octets: Uint8Array
  readonly view: DataView
  /** Of each header, for a call that starts there. */
  readonly headers: readonly bigint[]
  readonly #namesAt: number
  readonly #iovecsAt: number
  readonly #slotsAt: number

  constructor(slots: number) {
    this.#iovecsAt = slots * HEADER_OCTETS
    this.#namesAt = this.#iovecsAt + slots * IOVEC_OCTETS
    this.#slotsAt = this.#namesAt + slots * NAME_STRIDE
    const { octets, base } = allocate(this.#slotsAt + slots * SLOT_STRIDE)
    this.octets = octets
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
    this.headers = Array.from({ length: slots }, (_, i) => base + BigInt(i * HEADER_OCTETS))
    octets.fill(0, 0, this.#slotsAt)
    for (let i = 0; i < slots; i++) this.#prepare(i, base)
  }

  nameAt(slot: number): number {
    return this.#namesAt + slot * NAME_STRIDE
  }

  slotAt(slot: number): number {
    return this.#slotsAt + slot * SLOT_STRIDE
  }

  setNameLength(slot: number, octets: number): void {
    this.view.setUint32(slot * HEADER_OCTETS + NAME_LENGTH_AT, octets, true)
  }

  /** How many octets of the slot the kernel may read. */
  setSlotLength(slot: number, octets: number): void {
    this.view.setUint32(this.#iovecsAt + slot * IOVEC_OCTETS + 8, octets, true)
  }

  receivedLength(slot: number): number {
    return Math.min(this.view.getUint32(slot * HEADER_OCTETS + LENGTH_AT, true), SLOT_OCTETS)
  }

  #prepare(slot: number, base: bigint): void {
    const header = slot * HEADER_OCTETS
    const iovec = this.#iovecsAt + slot * IOVEC_OCTETS
    this.view.setBigUint64(header, base + BigInt(this.nameAt(slot)), true)
    this.setNameLength(slot, NAME_OCTETS)
    this.view.setBigUint64(header + IOVEC_AT, base + BigInt(iovec), true)
    this.view.setBigUint64(header + IOVEC_COUNT_AT, 1n, true)
    this.view.setBigUint64(iovec, base + BigInt(this.slotAt(slot)), true)
    this.view.setBigUint64(iovec + 8, BigInt(SLOT_OCTETS), true)
  }
}

/** Where a datagram came from, in a form that costs no object where it is IPv4. */
export type Source =
  /** Address and port as one number: address × 2^16 + port. */
  number | { readonly address: Bytes; readonly port: number; readonly scope: number } | null

/** Datagrams of one recvmmsg. */
export class ReceiveBatch {
  readonly #batch = new Batch(BATCH_DATAGRAMS)
  #count = 0

  /** Takes what waits at the socket, at most BATCH_DATAGRAMS: how many; 0 when there is nothing now, or −errno. */
  receive(fd: number): number {
    const { recvmmsg, errno } = native()
    for (let i = 0; i < this.#count; i++) this.#batch.setNameLength(i, NAME_OCTETS)
    this.#count = 0
    const count = recvmmsg(descriptor(fd), this.#batch.headers[0], BATCH_DATAGRAMS, MSG_DONTWAIT, null) as number
    if (count < 0) return errno() === EAGAIN ? 0 : -errno()
    this.#count = Math.min(count, BATCH_DATAGRAMS)
    return this.#count
  }

  /** A view, until the next `receive`. */
  datagram(index: number): Bytes {
    const at = this.#batch.slotAt(this.#checked(index))
    return this.#batch.octets.subarray(at, at + this.#batch.receivedLength(index))
  }

  /** Null: of a family that is none of UDP's. */
  source(index: number): Source {
    const { view, octets } = this.#batch
    const at = this.#batch.nameAt(this.#checked(index))
    const port = view.getUint16(at + 2)
    switch (view.getUint16(at, true)) {
      case AF_INET:
        return view.getUint32(at + 4) * 65_536 + port
      case AF_INET6:
        return { address: new Uint8Array(octets.subarray(at + 8, at + 24)), port, scope: view.getUint32(at + 24, true) }
      default:
        return null
    }
  }

  #checked(index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < this.#count) return index
    throw new AssertionError(`expected one of ${this.#count} datagrams, got ${index}`)
  }
}

/** Datagrams for one sendmmsg, all of one socket. */
export class SendBatch {
  readonly #batch = new Batch(BATCH_DATAGRAMS)
  /** The address that each slot has: a peer that gets many datagrams has its address written once. */
  readonly #addresses: (Bytes | null)[] = Array.from({ length: BATCH_DATAGRAMS }, () => null)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Copies a datagram in. `address` is of `socketAddress`, and the same object has the same octets always. The batch must not be full. */
  add(datagram: Bytes, address: Bytes): void {
    const slot = this.#count
    if (slot >= BATCH_DATAGRAMS) throw new AssertionError('a batch that is full is sent first')
    if (!isOctets(datagram, 1, MAX_PACKET_OCTETS)) throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets to send`)
    if (!isOctets(address, 16, NAME_OCTETS)) throw new RangeError(`expected a socket address of 16 to ${NAME_OCTETS} octets`)
    this.#batch.octets.set(datagram, this.#batch.slotAt(slot))
    this.#batch.setSlotLength(slot, datagram.length)
    if (this.#addresses[slot] !== address) {
      this.#batch.octets.set(address, this.#batch.nameAt(slot))
      this.#batch.setNameLength(slot, address.length)
      this.#addresses[slot] = address
    }
    this.#count = slot + 1
  }

  /** Sends everything now or not at all, in order; `onDrop` gets errno and how many datagrams did not leave because of it. The batch is empty afterwards. */
  send(fd: number, onDrop: (errno: number, datagrams: number) => void): void {
    const { sendmmsg, errno } = native()
    const count = this.#count
    this.#count = 0
    descriptor(fd)
    for (let at = 0; at < count;) {
      const sent = sendmmsg(fd, this.#batch.headers[at], count - at, MSG_DONTWAIT) as number
      if (sent > 0) {
        at += sent
        continue
      }
      // The first that is left is refused; with a full queue, all are.
      const reason = errno()
      const dropped = reason === EAGAIN ? count - at : 1
      onDrop(reason, dropped)
      at += dropped
    }
  }

  /** Forgets what was gathered; returns how many datagrams. */
  clear(): number {
    const count = this.#count
    this.#count = 0
    return count
  }
}

/** One packet a call, for a TUN device. */
export class PacketMemory {
  readonly #octets: Uint8Array
  readonly #base: bigint

  constructor() {
    const { octets, base } = allocate(SLOT_OCTETS)
    this.#octets = octets
    this.#base = base
  }

  /** A view, until the next call; or null when there is none now. Throws a SystemCallError when there never will be (EBADFD: the device is gone). */
  read(fd: number): Bytes | null {
    const length = checkOrAgain('read', native().read(descriptor(fd), this.#base, MAX_PACKET_OCTETS), MAX_PACKET_OCTETS)
    return length > 0 ? this.#octets.subarray(0, length) : null
  }

  /** Writes one packet whole: 0, or errno. */
  write(fd: number, packet: Bytes): number {
    const { write, errno } = native()
    if (!isOctets(packet, 1, MAX_PACKET_OCTETS)) throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets to write`)
    this.#octets.set(packet, 0)
    return (write(descriptor(fd), this.#base, packet.length) as number) < 0 ? errno() : 0
  }
}

function isOctets(value: unknown, least: number, most: number): boolean {
  return value instanceof Uint8Array && value.length >= least && value.length <= most
}

/** For the life of the thread: batches are made once and never freed, so no view ever outlives its memory. */
function allocate(octets: number): { octets: Uint8Array; base: bigint } {
  const { koffi } = native()
  const memory: unknown = koffi.alloc('uint8_t', octets)
  return { octets: new Uint8Array(koffi.view(memory, octets)), base: koffi.address(memory) }
}
