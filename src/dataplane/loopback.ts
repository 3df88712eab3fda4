/**
 * The `loopback` data plane: one inner packet is one UDP datagram. For trying it out without privileges, and for tests.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { Drops } from '../network/drops.ts'
import type { DatagramSocket, OpenSocket } from '../network/udp.ts'
import { openPlainSocket } from '../network/udp.ts'
import type { Plane } from './plane.ts'

export interface LoopbackOptions {
  /** Shared with the machine's other gateways. */
  readonly listen: Endpoint
  /** The trusted host. Packets from elsewhere are taken too: its sources are many. */
  readonly host: Endpoint
  readonly drops: Drops
  readonly open?: OpenSocket
  /** The packet is the receiver's only until it returns. */
  onInner(packet: Bytes): void
}

export class LoopbackPlane implements Plane {
  readonly #options: LoopbackOptions
  #socket: DatagramSocket | null = null

  static async open(options: LoopbackOptions): Promise<LoopbackPlane> {
    const plane = new LoopbackPlane(options)
    // A port that the system chooses is shared with nobody, and whoever wants to send there has to know it.
    if (options.listen.port === 0) await plane.start()
    return plane
  }

  private constructor(options: LoopbackOptions) {
    this.#options = options
  }

  /** Where it listens, with the port that the system chose when 0 was asked for. */
  get local(): Endpoint {
    return this.#socket?.local ?? this.#options.listen
  }

  /** The kernel steers a share of the flows to a socket from its bind on, so a gateway that can't carry them yet must not have one. */
  async start(): Promise<void> {
    const { listen, drops, open = openPlainSocket } = this.#options
    this.#socket ??= await open({ local: listen, reusePort: true, drops, onDatagram: (packet) => this.#options.onInner(packet) })
  }

  /** Nothing more is steered here; others that share the port get it. */
  async stop(): Promise<void> {
    if (this.#options.listen.port === 0) return
    const socket = this.#socket
    this.#socket = null
    await socket?.close()
  }

  deliver(packet: Bytes): void {
    if (this.#socket === null) this.#options.drops.count('plane-closed')
    else this.#socket.send(this.#options.host, packet)
  }

  /** What the socket gathered, it sends by itself. */
  flush(): void {}

  /** The trusted host sends everything here anyway. */
  async setPools(): Promise<void> {}

  async close(): Promise<void> {
    await this.#socket?.close()
  }
}
