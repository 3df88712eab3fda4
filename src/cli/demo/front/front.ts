/**
 * The demo's front: the one address that goes on when gateways are killed. On 127.0.0.1 it answers what is the demo's own, under /demo, and hands
 * everything else to a gateway that runs (proxy.ts). Operators of a real cluster have a load balancer there, which watches `/readyz`.
 */

import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Backend } from './proxy.ts'
import { forward } from './proxy.ts'

const HOST = '127.0.0.1'
const OWN = /^\/demo(?:\/|\?|$)/
const MAX_CONNECTIONS = 512

export interface FrontOptions {
  /** 0: any free one. */
  readonly port: number
  /** Those that run, whoever is best asked first. */
  gateways(): readonly Candidate[]
  /** Answers a request under /demo. */
  own(request: IncomingMessage, response: ServerResponse): void
}

/** `isUp`: it takes part, and is not on its way out. */
export interface Candidate extends Backend {
  readonly isUp: boolean
}

export class Front {
  readonly #server: Server
  readonly #options: FrontOptions
  /** Who answered last goes on: answers of one gateway never go back in time. */
  #current: string | null = null

  /** Throws when the port is not free. */
  static async open(options: FrontOptions): Promise<Front> {
    const front = new Front(options)
    front.#server.listen(options.port, HOST)
    await once(front.#server, 'listening')
    return front
  }

  private constructor(options: FrontOptions) {
    this.#options = options
    this.#server = createServer((request, response) => this.#handle(request, response))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port
  }

  /** Ends also what is under way. */
  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    // Whoever asked has gone.
    response.on('error', () => response.destroy())
    if (OWN.test(request.url!)) return this.#options.own(request, response)
    const inOrder = [...this.#options.gateways()].sort((a, b) => this.#rank(a) - this.#rank(b))
    void forward(request, response, inOrder).then((answered) => {
      if (answered !== null) this.#current = answered.id
    })
  }

  #rank({ id, isUp }: Candidate): number {
    return (isUp ? 0 : 2) + (id === this.#current ? 0 : 1)
  }
}
