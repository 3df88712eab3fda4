/**
 * UDP sockets: of clients (one an address and port of the cluster), of the mesh, and of the loopback data plane.
 *
 * Where koffi loads, a socket is made by system calls (shared port, no don't-fragment bit, larger buffers) and handed to `dgram`, which
 * receives; sending is a direct call that succeeds or drops now, so a caller may use its buffer again at once and a full queue never
 * grows in memory. Elsewhere it is a plain `dgram` socket.
 *
 * Peers become interned `Endpoint` objects: the same peer is the same object while it is in the (bounded) cache, and its socket address is made once.
 */

import dgram from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import { formatAddress, parseAddress } from '../context/address.ts'
import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { DatagramSocket, OpenSocket, UdpSocketOptions as DatagramSocketOptions } from './datagram-socket.ts'
import { BUFFER_OCTETS, MAX_DATAGRAM_OCTETS } from './datagram-socket.ts'
import type { Drops } from './drops.ts'
import { endpointKey, formatEndpoint } from './endpoints.ts'
import { closeDescriptor, nativeAvailable, openUdpSocket, sendDatagram, socketAddress } from './syscalls.ts'

/** Peers that are remembered at once; beyond that the oldest is forgotten (and made anew when it speaks again). */
const MAX_INTERNED_ENDPOINTS = 65_536

export type { DatagramSocket, OpenSocket } from './datagram-socket.ts'
export { BUFFER_OCTETS, MAX_DATAGRAM_OCTETS } from './datagram-socket.ts'

export interface UdpSocketOptions extends DatagramSocketOptions {
  /** False: without system calls, as where koffi does not load. */
  readonly native?: boolean
}

export class UdpSocket implements DatagramSocket {
  /** With the port that the system chose when 0 was asked for. */
  readonly local: Endpoint
  readonly #socket: dgram.Socket
  /** Null: without system calls. The descriptor is the dgram socket's to close. */
  readonly #fd: number | null
  readonly #drops: Drops
  #closed = false

  /** Throws a SystemCallError (EADDRINUSE, EADDRNOTAVAIL, EACCES…), or Node's own error where there are no system calls. */
  static async open(options: UdpSocketOptions): Promise<UdpSocket> {
    const { local } = options
    const type = local.address.length === 4 ? 'udp4' : 'udp6'
    const native = options.reusePort === true || (options.native ?? nativeAvailable())
    const fd = native ? openUdpSocket(local, settingsOf(options)) : null
    const socket = dgram.createSocket({ type, ipv6Only: type === 'udp6', lookup: literalLookup })
    try {
      // Before the bind: with a descriptor it is listening at once.
      const listening = once(socket, 'listening')
      if (fd === null) socket.bind(local.port, formatAddress(local.address))
      else socket.bind({ fd })
      await listening
    } catch (error) {
      if (fd !== null) closeDescriptor(fd)
      throw error
    }
    return new UdpSocket(socket, fd, options)
  }

  private constructor(socket: dgram.Socket, fd: number | null, options: UdpSocketOptions) {
    this.#socket = socket
    this.#fd = fd
    this.#drops = options.drops
    this.local = { address: options.local.address, port: socket.address().port }
    socket.on('message', (datagram, from) => {
      const remote = internEndpoint(from.address, from.port)
      if (remote === null) this.#drops.count('udp-source')
      else options.onDatagram(datagram, remote, this.local)
    })
    // An unconnected socket reports errors of the system here (ENOBUFS, ENETDOWN): the next datagram may well work.
    socket.on('error', () => this.#drops.count('udp-receive'))
  }

  /** Sends now or drops and counts; returns whether it left. The datagram may be changed afterwards. */
  send(remote: Endpoint, datagram: Bytes): boolean {
    if (this.#closed || datagram.length === 0 || datagram.length > MAX_DATAGRAM_OCTETS || remote.port === 0)
      return this.#drop('udp-send-refused')
    if (remote.address.length !== this.local.address.length) return this.#drop('udp-send-family')
    if (this.#fd === null) return this.#sendPlain(remote, datagram)
    const errno = sendDatagram(this.#fd, datagram, socketAddressOf(remote))
    return errno === 0 || this.#drop(errno === EAGAIN ? 'udp-send-full' : 'udp-send-failed')
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  #sendPlain(remote: Endpoint, datagram: Bytes): boolean {
    this.#socket.send(Uint8Array.from(datagram), remote.port, formatAddress(remote.address), (error) => {
      if (error !== null) this.#drops.count('udp-send-failed')
    })
    return true
  }

  #drop(reason: string): false {
    this.#drops.count(reason)
    return false
  }
}

/** The plain path's way to a socket. */
export const openPlainSocket: OpenSocket = (options) => UdpSocket.open(options)

const EAGAIN = 11

function settingsOf(options: UdpSocketOptions): Parameters<typeof openUdpSocket>[1] {
  return { reusePort: options.reusePort ?? false, bufferOctets: options.buffer === 'small' ? null : BUFFER_OCTETS }
}

/** Only literal addresses are used: no resolver, and no turn of the loop, between a datagram and its way out. */
function literalLookup(
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, address, isIPv4(address) ? 4 : 6)
}

const interned = new Map<string, Endpoint>()
const socketAddresses = new WeakMap<Endpoint, Bytes>()

/** The endpoint of a textual address and port, the same object for the same peer; null for an address that isn't one, or with a zone. */
export function internEndpoint(address: string, port: number): Endpoint | null {
  const key = `${address} ${port}`
  const known = interned.get(key)
  if (known !== undefined) return known
  const octets = parseAddress(address)
  if (octets === null) return null
  if (interned.size >= MAX_INTERNED_ENDPOINTS) for (const oldest of interned.keys()) if (interned.delete(oldest)) break
  const endpoint = { address: octets, port }
  interned.set(key, endpoint)
  return endpoint
}

function socketAddressOf(endpoint: Endpoint): Bytes {
  const known = socketAddresses.get(endpoint)
  if (known !== undefined) return known
  const address = socketAddress(endpoint)
  socketAddresses.set(endpoint, address)
  return address
}

/** The sockets that clients speak to: each address with each port. Bound only while the gateway is ready. */
export interface ClientSocketsOptions extends Omit<DatagramSocketOptions, 'local'> {
  readonly endpoints: readonly Endpoint[]
  readonly open?: OpenSocket
}

export class ClientSockets {
  readonly #options: ClientSocketsOptions
  readonly #drops: Drops
  readonly #sockets = new Map<string, DatagramSocket>()
  /** The sockets of the endpoint objects that `onDatagram` gave out, and that datagrams were sent from. */
  #ofEndpoint = new WeakMap<Endpoint, DatagramSocket>()

  constructor(options: ClientSocketsOptions) {
    this.#options = options
    this.#drops = options.drops
  }

  get isOpen(): boolean {
    return this.#sockets.size > 0
  }

  /** Binds all, or none and throws an error that names the endpoint. */
  async open(): Promise<void> {
    const { endpoints, open = openPlainSocket, ...options } = this.#options
    for (const local of endpoints) {
      if (this.#sockets.has(endpointKey(local))) continue
      try {
        const socket = await open({ ...options, local })
        this.#sockets.set(endpointKey(socket.local), socket)
        this.#ofEndpoint.set(socket.local, socket)
      } catch (cause) {
        await this.close()
        throw new Error(`address ${formatEndpoint(local)}: ${(cause as Error).message}`, { cause })
      }
    }
  }

  /** Sends from the cluster's own endpoint `local`; a drop when that isn't open here. */
  send(local: Endpoint, remote: Endpoint, datagram: Bytes): boolean {
    const socket = this.#ofEndpoint.get(local) ?? this.#find(local)
    if (socket !== undefined) return socket.send(remote, datagram)
    this.#drops.count('udp-send-closed')
    return false
  }

  /** An endpoint that came with a session: its key is made once, not for each packet. */
  #find(local: Endpoint): DatagramSocket | undefined {
    const socket = this.#sockets.get(endpointKey(local))
    if (socket !== undefined) this.#ofEndpoint.set(local, socket)
    return socket
  }

  async close(): Promise<void> {
    const sockets = [...this.#sockets.values()]
    this.#sockets.clear()
    this.#ofEndpoint = new WeakMap()
    await Promise.all(sockets.map((socket) => socket.close()))
  }
}
