/**
 * Many datagrams taken by one recvmmsg(2), and the packets of a TUN device, which come one a call. What is handed out are views of memory
 * (batch-memory.ts) that are good until the next call on the same batch.
 */

import { AssertionError } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { BATCH_DATAGRAMS, BatchMemory, NAME_OCTETS, SLOT_OCTETS, VNET_HEADER_OCTETS, allocate } from './batch-memory.ts'
import { EAGAIN, MAX_PACKET_OCTETS, checkOrAgain, descriptor, native } from './native.ts'

const MSG_DONTWAIT = 0x40
const AF_INET = 2
const AF_INET6 = 10

/** Where a datagram came from, in a form that costs no object where it is IPv4. */
export type Source =
  /** Address and port as one number: address × 2^16 + port. */
  number | { readonly address: Bytes; readonly port: number; readonly scope: number } | null

/** Datagrams of one recvmmsg. */
export class ReceiveBatch {
  readonly #batch = new BatchMemory()
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

const MAX_READ_OCTETS = VNET_HEADER_OCTETS + MAX_PACKET_OCTETS

/** One packet a call, from a TUN device. The header before it is empty: nothing is left to who reads. */
export class PacketMemory {
  readonly #octets: Uint8Array
  readonly #base: bigint

  constructor() {
    const { octets, base } = allocate(VNET_HEADER_OCTETS + SLOT_OCTETS)
    this.#octets = octets
    this.#base = base
  }

  /** A view, until the next call; or null when there is none now. Throws a SystemCallError when there never will be (EBADFD: the device is gone). */
  read(fd: number): Bytes | null {
    const length = checkOrAgain('read', native().read(descriptor(fd), this.#base, MAX_READ_OCTETS), MAX_READ_OCTETS)
    return length > VNET_HEADER_OCTETS ? this.#octets.subarray(VNET_HEADER_OCTETS, length) : null
  }
}
