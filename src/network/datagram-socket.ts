/**
 * What the rest of the data plane wants of a UDP socket, however it does its work: udp.ts (plain: Node's event loop) or fast-udp.ts (many
 * datagrams a system call).
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { Drops } from './drops.ts'

/** Room for a burst while the thread is busy: at 300,000 packets/s of 1,400 octets, some 10 ms. */
export const BUFFER_OCTETS = 4 << 20

/** The largest payload of UDP over IPv4. */
export const MAX_DATAGRAM_OCTETS = 65_507

export interface UdpSocketOptions {
  readonly local: Endpoint
  /** Share the port with other sockets of this user (SO_REUSEPORT; needs koffi). */
  readonly reusePort?: boolean
  /** `small`: the system's default buffers, for one of many sockets with little traffic. */
  readonly buffer?: 'large' | 'small'
  /** `datagram` is the receiver's only until it returns: a fast socket reads the next one into the same memory. */
  onDatagram(datagram: Bytes, remote: Endpoint, local: Endpoint): void
  /** Asked once more right before datagrams that were gathered leave: false drops them, as `not-serving`. */
  maySend?(): boolean
  /** A drop's reason is counted here. */
  readonly drops: Drops
}

export interface DatagramSocket {
  /** With the port that the system chose when 0 was asked for. */
  readonly local: Endpoint
  /** Sends now, or at the end of this turn of the loop, or drops and counts; false: dropped. The datagram may be changed afterwards. */
  send(remote: Endpoint, datagram: Bytes): boolean
  close(): Promise<void>
}

export type OpenSocket = (options: UdpSocketOptions) => Promise<DatagramSocket>
