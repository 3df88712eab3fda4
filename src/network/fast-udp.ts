/**
 * UDP sockets that do their work in batches: one recvmmsg takes what waits, and what is to be sent is gathered and leaves by one sendmmsg,
 * at the end of the turn in which it was gathered or when a batch is full. The sockets of a thread share their memory (datagram-batches.ts).
 *
 * Peers become interned `Endpoint` objects, as in udp.ts.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import { toHex } from '../kit/bytes.ts'
import type { DatagramSocket, UdpSocketOptions } from './datagram-socket.ts'
import { BUFFER_OCTETS, MAX_DATAGRAM_OCTETS } from './datagram-socket.ts'
import { BATCH_DATAGRAMS } from './batch-memory.ts'
import { ReceiveBatch } from './datagram-batches.ts'
import { SendBatch } from './send-batch.ts'
import { EAGAIN } from './native.ts'
import type { Watch } from './poller.ts'
import { closeDescriptor, leaveSharedPort, localPort, openUdpSocket, socketAddress } from './syscalls.ts'
import { makeRoom } from '../kit/make-room.ts'

/** Peers that are remembered at once; beyond that the oldest are forgotten (and made anew when they speak again). */
const MAX_INTERNED_ENDPOINTS = 65_536

/** More than a receive buffer holds is not read at the close. */
const LAST_BATCHES = 1024

/** The fast sockets of one thread. Whoever runs the thread's turns calls `flush` at the end of each. */
export class FastSockets {
  readonly #watch: Watch
  readonly #received = new ReceiveBatch()
  /** By the socket that they leave by: a turn may send to clients, the trusted side and other gateways by turns, and each of them in one call all the same. */
  readonly #gathered = new Map<FastUdpSocket, SendBatch>()
  /** As many as there were sockets at most that had something to send in a turn. */
  readonly #free: SendBatch[] = []
  readonly #v4 = new Map<number, Endpoint>()
  readonly #v6 = new Map<string, Endpoint>()
  readonly #addresses = new WeakMap<Endpoint, Bytes>()

  constructor(watch: Watch) {
    this.#watch = watch
  }

  /** Throws a SystemCallError (EADDRINUSE, EADDRNOTAVAIL, EACCES…). */
  readonly open = async (options: UdpSocketOptions): Promise<FastUdpSocket> => {
    const fd = openUdpSocket(options.local, {
      reusePort: options.reusePort ?? false,
      bufferOctets: options.buffer === 'small' ? null : BUFFER_OCTETS,
    })
    const socket = new FastUdpSocket(this, fd, options)
    this.#watch.add(fd, () => void this.#drain(socket))
    return socket
  }

  /** Everything that was gathered leaves, or is dropped and counted. */
  flush(): void {
    for (const sender of this.#gathered.keys()) this.#flush(sender)
  }

  /** The datagrams of one socket to one peer stay in order; of others nothing is said. */
  gather(sender: FastUdpSocket, remote: Endpoint, datagram: Bytes): void {
    if (this.#gathered.get(sender)?.count === BATCH_DATAGRAMS) this.#flush(sender)
    let batch = this.#gathered.get(sender)
    if (batch === undefined) {
      batch = this.#free.pop() ?? new SendBatch()
      this.#gathered.set(sender, batch)
    }
    batch.add(datagram, this.#addressOf(remote))
  }

  #flush(sender: FastUdpSocket): void {
    const batch = this.#gathered.get(sender)
    if (batch === undefined) return
    this.#gathered.delete(sender)
    this.#free.push(batch)
    const { options, fd } = sender
    const { drops } = options
    if (options.maySend?.() === false) drops.count('not-serving', batch.clear())
    else batch.send(fd, (errno, count) => drops.count(errno === EAGAIN ? 'udp-send-full' : 'udp-send-failed', count))
  }

  /** What has come by now is still handed over: where gateways share a port, nobody else gets it. What comes from now on, the others get. */
  close(socket: FastUdpSocket): void {
    if (socket.options.reusePort === true) leaveSharedPort(socket.fd, socket.local)
    for (let i = 0; i < LAST_BATCHES && this.#drain(socket) > 0; i++);
    socket.isClosed = true
    this.#flush(socket)
    this.#watch.remove(socket.fd)
    closeDescriptor(socket.fd)
  }

  /** One batch a turn: what is left wakes again at once, after the others had theirs. Returns how many there were, or less than 0. */
  #drain(socket: FastUdpSocket): number {
    const { options, local } = socket
    const { drops } = options
    const count = this.#received.receive(socket.fd)
    // An unconnected socket reports errors of the system here (ENOBUFS, ENETDOWN): the next datagram may well work.
    if (count < 0) drops.count('udp-receive')
    for (let i = 0; i < count && !socket.isClosed; i++) {
      const remote = this.#endpoint(i)
      if (remote === null) drops.count('udp-source')
      else options.onDatagram(this.#received.datagram(i), remote, local)
    }
    return count
  }

  #endpoint(index: number): Endpoint | null {
    const source = this.#received.source(index)
    if (typeof source !== 'number') return source === null || source.scope !== 0 ? null : this.#intern6(source)
    const known = this.#v4.get(source)
    if (known !== undefined) return known
    const address = Uint8Array.from({ length: 4 }, (_, i) => Math.floor(source / 2 ** (40 - 8 * i)) % 256)
    const endpoint = { address, port: source % 65_536 }
    remember(this.#v4, source, endpoint)
    return endpoint
  }

  #intern6({ address, port }: Endpoint): Endpoint {
    const key = `${toHex(address)}:${port}`
    const known = this.#v6.get(key)
    if (known !== undefined) return known
    const endpoint = { address, port }
    remember(this.#v6, key, endpoint)
    return endpoint
  }

  #addressOf(endpoint: Endpoint): Bytes {
    const known = this.#addresses.get(endpoint)
    if (known !== undefined) return known
    const address = socketAddress(endpoint)
    this.#addresses.set(endpoint, address)
    return address
  }
}

export class FastUdpSocket implements DatagramSocket {
  readonly local: Endpoint
  readonly fd: number
  readonly options: UdpSocketOptions
  readonly #sockets: FastSockets
  isClosed = false

  constructor(sockets: FastSockets, fd: number, options: UdpSocketOptions) {
    this.#sockets = sockets
    this.fd = fd
    this.options = options
    this.local = { address: options.local.address, port: localPort(fd) }
  }

  send(remote: Endpoint, datagram: Bytes): boolean {
    if (this.isClosed || datagram.length === 0 || datagram.length > MAX_DATAGRAM_OCTETS || remote.port === 0)
      return this.#drop('udp-send-refused')
    if (remote.address.length !== this.local.address.length) return this.#drop('udp-send-family')
    this.#sockets.gather(this, remote, datagram)
    return true
  }

  async close(): Promise<void> {
    if (!this.isClosed) this.#sockets.close(this)
  }

  #drop(reason: string): false {
    this.options.drops.count(reason)
    return false
  }
}

function remember<K>(endpoints: Map<K, Endpoint>, key: K, endpoint: Endpoint): void {
  makeRoom(endpoints, MAX_INTERNED_ENDPOINTS, (oldest) => endpoints.delete(oldest))
  endpoints.set(key, endpoint)
}
