/**
 * Waits for input on descriptors; a listener drains its descriptor, up to a bound, and what is left wakes again at once.
 *
 * `BlockingPoller` waits on the calling thread, for the fast path. `Poller`, for the plain one, watches what Node's own loop cannot (TUN devices,
 * packet sockets) with one blocked thread of libuv's pool: one `epoll_wait` is under way, and is asked for again after each wake. The pool
 * has four threads for the whole process by default: run gateways on the plain path with UV_THREADPOOL_SIZE of at least 8 in their
 * environment, so that disk work of the main thread never queues behind it. (Setting it from within the process comes too late: loading the
 * program has started the pool.)
 */

import { Epoll } from './syscalls.ts'

/** Who watches descriptors for input. A listener drains its descriptor up to a bound of its own. */
export interface Watch {
  add(fd: number, onReadable: () => void): void
  /** Before the descriptor is closed. */
  remove(fd: number): void
}

/** A thread that ends without closing the poller (an exception) is held up for at most this long. */
const WAIT_MS = 1000

export class Poller implements Watch {
  readonly #epoll = new Epoll()
  readonly #listeners = new Map<number, () => void>()
  readonly #onError: (error: Error) => void
  #running: Promise<void>
  #closing = false

  /** `onError` gets what a listener or epoll itself throws; polling has ended then. */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError
    this.#running = this.#run()
  }

  add(fd: number, onReadable: () => void): void {
    this.#listeners.set(fd, onReadable)
    this.#epoll.add(fd)
  }

  /** Before the descriptor is closed. */
  remove(fd: number): void {
    if (this.#listeners.delete(fd)) this.#epoll.remove(fd)
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#epoll.wake()
    await this.#running
    this.#epoll.close()
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closing) {
        const readable = await this.#epoll.wait(WAIT_MS)
        // A listener may remove others that were readable in the same wake.
        for (const fd of readable) this.#listeners.get(fd)?.()
      }
    } catch (error) {
      this.#onError(error as Error)
    }
  }
}

/** Waits on the calling thread itself: for a thread whose turns begin with a wait (dataplane/turns.ts). */
export class BlockingPoller implements Watch {
  readonly #epoll: Epoll
  readonly #listeners = new Map<number, () => void>()

  /** `wakeFd`: of the `Wake` that ends a wait. */
  constructor(wakeFd: number) {
    this.#epoll = new Epoll(wakeFd)
  }

  add(fd: number, onReadable: () => void): void {
    this.#listeners.set(fd, onReadable)
    this.#epoll.add(fd)
  }

  remove(fd: number): void {
    if (this.#listeners.delete(fd)) this.#epoll.remove(fd)
  }

  /** Waits for at most `timeoutMs` and calls the listeners of what has input, each followed by `after`. */
  turn(timeoutMs: number, after: () => void): void {
    for (const fd of this.#epoll.waitHere(timeoutMs)) {
      // A listener may remove others that were readable in the same wake.
      this.#listeners.get(fd)?.()
      after()
    }
  }

  close(): void {
    this.#epoll.close()
  }
}
