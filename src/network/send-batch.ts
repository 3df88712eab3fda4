/**
 * Datagrams that leave by one sendmmsg(2), all of one socket; and those of one destination and one length as one message, which the kernel cuts into
 * datagrams again as late as it can (UDP_SEGMENT, udp(7)): its way through the system, several times the cost of all that is done here, is gone once for
 * all of them.
 *
 * Datagrams to one destination stay in order; of those to several nothing is said.
 */

import { AssertionError } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { BATCH_DATAGRAMS, BatchMemory, NAME_OCTETS, isOctets } from './batch-memory.ts'
import { Messages, NONE } from './messages.ts'
import { EAGAIN, EINVAL, EIO, EMSGSIZE, MAX_PACKET_OCTETS, descriptor, native } from './native.ts'
import { canSegmentUdp } from './syscalls.ts'

const MSG_DONTWAIT = 0x40
/** Of one message: as with one datagram, IP's headers have to fit 65,535, too. */
const MAX_MESSAGE_OCTETS = 65_000
/** What was refused is tried again after so many calls: routes change. */
const TRY_AGAIN_CALLS = 4096

export class SendBatch {
  readonly #memory = new BatchMemory()
  /** The address that each slot has: a peer that gets many datagrams has its address written once. */
  readonly #names: (Bytes | null)[] = Array.from({ length: BATCH_DATAGRAMS }, () => null)
  readonly #lengths = new Uint32Array(BATCH_DATAGRAMS)
  readonly #messages = new Messages()
  #count = 0
  /** The latest message to each address. */
  readonly #latest = new Map<Bytes, number>()
  /** Longer datagrams leave one by one: the kernel takes none as one message that would not fit the link. */
  #longest = canSegmentUdp() ? MAX_MESSAGE_OCTETS : 0
  #callsUntilTried = 0

  /** Datagrams in it. */
  get count(): number {
    return this.#count
  }

  /** As how many messages they will leave. */
  get messages(): number {
    return this.#messages.count
  }

  /** Copies a datagram in. `address` is of `socketAddress`, and the same object has the same octets always. The batch must not be full. */
  add(datagram: Bytes, address: Bytes): void {
    const slot = this.#count
    if (slot >= BATCH_DATAGRAMS) throw new AssertionError('a batch that is full is sent first')
    if (!isOctets(datagram, 1, MAX_PACKET_OCTETS)) throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets to send`)
    if (!isOctets(address, 16, NAME_OCTETS)) throw new RangeError(`expected a socket address of 16 to ${NAME_OCTETS} octets`)
    this.#memory.octets.set(datagram, this.#memory.slotAt(slot))
    this.#lengths[slot] = datagram.length
    this.#count = slot + 1
    const latest = this.#latest.get(address)
    if (latest === undefined || !this.#isJoinedTo(latest, slot)) this.#begin(slot, address)
  }

  #begin(slot: number, address: Bytes): void {
    const length = this.#lengths[slot]!
    this.#latest.set(address, this.#messages.begin(slot, length, length > this.#longest))
    if (this.#names[slot] === address) return
    this.#memory.octets.set(address, this.#memory.nameAt(slot))
    this.#names[slot] = address
  }

  /** A message's datagrams all have the length of the first one, but for the last, which may be shorter. */
  #isJoinedTo(message: number, slot: number): boolean {
    const length = this.#lengths[slot]!
    const messages = this.#messages
    const segment = this.#lengths[messages.first(message)]!
    if (messages.isFull(message) || length > segment || messages.octets(message) + length > MAX_MESSAGE_OCTETS) return false
    messages.join(message, slot, length, length < segment)
    return true
  }

  /** Sends everything now or not at all; `onDrop` gets errno and how many datagrams did not leave because of it. The batch is empty afterwards. */
  send(fd: number, onDrop: (errno: number, datagrams: number) => void): void {
    const { sendmmsg, errno } = native()
    descriptor(fd)
    this.#write()
    const messages = this.#messages.count
    for (let at = 0, part = 0; at < messages;) {
      const sent = sendmmsg(fd, this.#memory.headers[at], messages - at, MSG_DONTWAIT) as number
      for (let i = 0; i < sent; i++) part += this.#messages.slots(at++)
      if (sent > 0) continue
      // The first that is left is refused; with a full queue, all are.
      const reason = errno()
      if (reason === EAGAIN) {
        onDrop(reason, this.#count - part)
        break
      }
      if (this.#isRefusedAsOne(at, reason)) this.#sendOneByOne(fd, at, part, onDrop)
      else onDrop(reason, this.#messages.slots(at))
      part += this.#messages.slots(at++)
    }
    this.clear()
  }

  /** Tells the kernel of all messages. */
  #write(): void {
    const messages = this.#messages
    for (let message = 0, part = 0; message < messages.count; message++) {
      const name = messages.first(message)
      const parts = messages.slots(message)
      const segmentOctets = parts > 1 ? this.#lengths[name]! : 0
      this.#memory.setMessage(message, { name, nameOctets: this.#names[name]!.length, part, parts, segmentOctets })
      for (let slot = name; slot !== NONE; slot = messages.next(slot))
        this.#memory.setPart(part++, this.#memory.slotAt(slot), this.#lengths[slot]!)
    }
  }

  /** Whether it is many datagrams as one that the kernel does not take there: too long for the link (which of both depends on its version), or no such link. */
  #isRefusedAsOne(message: number, reason: number): boolean {
    if (this.#messages.slots(message) === 1 || (reason !== EINVAL && reason !== EMSGSIZE && reason !== EIO)) return false
    this.#longest = reason === EIO ? 0 : this.#lengths[this.#messages.first(message)]! - 1
    this.#callsUntilTried = TRY_AGAIN_CALLS
    return true
  }

  #sendOneByOne(fd: number, message: number, firstPart: number, onDrop: (errno: number, datagrams: number) => void): void {
    const { sendmmsg, errno } = native()
    const name = this.#messages.first(message)
    for (let part = firstPart; part < firstPart + this.#messages.slots(message); part++) {
      this.#memory.setMessage(message, { name, nameOctets: this.#names[name]!.length, part, parts: 1, segmentOctets: 0 })
      if ((sendmmsg(fd, this.#memory.headers[message], 1, MSG_DONTWAIT) as number) < 1) onDrop(errno(), 1)
    }
  }

  /** Forgets what was gathered; returns how many datagrams. */
  clear(): number {
    const count = this.#count
    this.#count = 0
    this.#messages.clear()
    this.#latest.clear()
    if (this.#callsUntilTried > 0 && --this.#callsUntilTried === 0) this.#longest = MAX_MESSAGE_OCTETS
    return count
  }
}
