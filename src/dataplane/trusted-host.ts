/**
 * The trusted side of the `loopback` data plane: a host in the network behind the gateways, a process of its own that outlives every
 * gateway. It knows nothing of sessions: inner packets of clients arrive as UDP datagrams from whichever gateway, and packets to
 * clients go to the port that the gateways share.
 *
 * SO_REUSEPORT steers by source and destination port, so each client's packets leave by a socket of their own: flows then spread over
 * the gateways, and when one dies the kernel steers only its flows anew.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import { Drops } from '../network/drops.ts'
import { UdpSocket } from '../network/udp.ts'

export interface TrustedHostOptions {
  /** Where the gateways deliver. */
  readonly listen: Endpoint
  /** The port that the gateways share. */
  readonly gateways: Endpoint
  /** One socket each: as many as there are clients, within the limit of open files. */
  readonly sources: number
  /** An inner packet from a client; the receiver's to keep. `gateway`: who delivered it. */
  onPacket(packet: Bytes, gateway: Endpoint): void
}

export class TrustedHost {
  readonly drops: Drops
  readonly #listener: UdpSocket
  readonly #sources: readonly UdpSocket[]
  readonly #gateways: Endpoint

  static async open(options: TrustedHostOptions): Promise<TrustedHost> {
    const drops = new Drops()
    const opened: UdpSocket[] = []
    try {
      const { listen, sources } = options
      opened.push(await UdpSocket.open({ local: listen, drops, onDatagram: (packet, gateway) => options.onPacket(packet, gateway) }))
      const local = { address: listen.address, port: 0 }
      // Gateways answer nothing to a source; what comes is somebody else's.
      const onDatagram = (): void => drops.count('unexpected')
      while (opened.length <= sources) opened.push(await UdpSocket.open({ local, drops, onDatagram, buffer: 'small' }))
    } catch (error) {
      await Promise.all(opened.map((socket) => socket.close()))
      throw error
    }
    return new TrustedHost(opened, options.gateways, drops)
  }

  private constructor(opened: readonly UdpSocket[], gateways: Endpoint, drops: Drops) {
    const [listener, ...sources] = opened
    this.#listener = listener!
    this.#sources = sources
    this.#gateways = gateways
    this.drops = drops
  }

  /** With the port that the system chose when 0 was asked for. */
  get local(): Endpoint {
    return this.#listener.local
  }

  /** Sends an inner packet to a client by way of the gateways. `client`: any number that stays the same for the client. */
  send(client: number, packet: Bytes): boolean {
    return this.#sources[client % this.#sources.length]!.send(this.#gateways, packet)
  }

  async close(): Promise<void> {
    await Promise.all([this.#listener, ...this.#sources].map((socket) => socket.close()))
  }
}
