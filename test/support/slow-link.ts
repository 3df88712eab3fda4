/** A link between servers on one machine: a TCP relay that passes so many octets a second each way, and that can be broken. */

import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

export interface SlowLinkOptions {
  /** Where connections to the link go. */
  readonly to: number
  /** Default: as many as there are. */
  readonly octetsPerSecond?: number
  /** Told of what passed from the dialling side. */
  readonly onPassed?: (octets: number) => void
}

/** So often a slow link passes what it may. */
const stepMs = 5

export class SlowLink {
  readonly #options: SlowLinkOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async open(options: SlowLinkOptions): Promise<SlowLink> {
    const link = new SlowLink(options)
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve))
    return link
  }

  private constructor(options: SlowLinkOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port: options.to, host: '127.0.0.1', noDelay: true })
      this.#relay(near, far, options.onPassed)
      this.#relay(far, near)
    })
  }

  /** The port to dial. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends all connections; new ones may come. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.break()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #relay(from: Socket, to: Socket, onPassed?: (octets: number) => void): void {
    this.#sockets.add(from)
    from.on('error', () => from.destroy())
    from.once('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
    const { octetsPerSecond } = this.#options
    const pass = (chunk: Buffer): void => {
      if (!to.destroyed) to.write(chunk)
      onPassed?.(chunk.length)
    }
    if (octetsPerSecond === undefined) from.on('data', pass)
    else throttle(from, octetsPerSecond, pass)
  }
}

/** Reads only what may pass, so that the rest waits where it would wait on a slow link: at the sender. */
function throttle(from: Socket, octetsPerSecond: number, pass: (chunk: Buffer) => void): void {
  const most = Math.ceil((octetsPerSecond * stepMs) / 1000)
  const timer = setInterval(() => {
    const chunk = from.read(Math.min(most, from.readableLength)) as Buffer | null
    if (chunk !== null) pass(chunk)
  }, stepMs)
  from.on('readable', () => undefined)
  from.once('close', () => clearInterval(timer))
}
