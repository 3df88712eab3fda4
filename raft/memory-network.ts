/** Transports within one process, for tests: messages arrive in a later microtask; servers can be cut off. */

import type { ServerId } from './message.ts'
import type { Transport, TransportHandlers } from './transport.ts'

export class MemoryNetwork {
  readonly #handlers = new Map<ServerId, TransportHandlers>()
  readonly #cut = new Set<ServerId>()

  transport(id: ServerId): Transport {
    return {
      start: (handlers) => this.#start(id, handlers),
      send: (to, bytes) => this.#send(id, to, bytes),
      close: () => this.#close(id),
    }
  }

  /** Cuts a server off, in both directions, without anyone noticing. */
  isolate(id: ServerId): void {
    this.#cut.add(id)
  }

  heal(): void {
    this.#cut.clear()
  }

  async #start(id: ServerId, handlers: TransportHandlers): Promise<void> {
    this.#handlers.set(id, handlers)
    await Promise.resolve()
    for (const [peer, theirs] of this.#handlers) {
      if (peer === id) continue
      handlers.onPeer(peer, 'connected')
      theirs.onPeer(id, 'connected')
    }
  }

  #send(from: ServerId, to: ServerId, bytes: Uint8Array): void {
    if (this.#cut.has(from) || this.#cut.has(to)) return
    void Promise.resolve().then(() => this.#handlers.get(to)?.onMessage(from, bytes))
  }

  #close(id: ServerId): Promise<void> {
    if (this.#handlers.delete(id)) for (const theirs of this.#handlers.values()) theirs.onPeer(id, 'refused')
    return Promise.resolve()
  }
}
