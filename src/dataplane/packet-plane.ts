/**
 * The main thread's handle of the data plane: a worker thread (worker.ts) with the packet core, the sockets, the mesh and the plane.
 *
 * The worker's end is the gateway's: sessions live half in it, so an error there is fatal for the process, and other gateways carry on.
 *
 * On the fast path the thread waits by itself, and is woken after each message. On the plain one it waits in libuv's thread pool: start
 * gateways with UV_THREADPOOL_SIZE=8 or more then, see network/poller.ts.
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Endpoint } from '../context/session-context.ts'
import type { FromPackets, ToPackets } from '../gateway/packet-messages.ts'
import type { Bytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import type { MeshKeyChange } from '../network/mesh.ts'
import { Wake, nativeAvailable } from '../network/syscalls.ts'
import { Beats } from './beats.ts'
import type { DataPath } from './data-path.ts'
import type { FromWorker, PacketPlaneConfig, ShellRequest, ToWorker } from './messages.ts'

export interface PacketPlaneListeners {
  /** In order, in the turn of the loop in which they arrived. */
  onMessage(message: FromPackets): void
  /** The worker has ended by itself. Nothing works any more; stop the process. Called at most once. */
  onFatal(error: Error): void
}

/** The id under which `start` waits; requests count from 1. */
const READY = 0

/** Closing takes some ms: sockets, a device, the system's tools. */
const CLOSE_LIMIT_MS = 3000

interface Pending {
  resolve(): void
  reject(error: Error): void
}

export class PacketPlane {
  readonly #worker: Worker
  /** Ends the wait of a thread on the fast path. Null where there is none. */
  #wake: Wake | null
  readonly #listeners: PacketPlaneListeners
  readonly #beats = new Beats()
  readonly #pending = new Map<number, Pending>()
  #gathered: ToWorker[] = []
  #lastRequest = 0
  #state: 'starting' | 'open' | 'closing' | 'closed' = 'starting'
  #mesh: Endpoint | null = null
  #inside: Endpoint | null = null
  #path: DataPath | null = null

  /**
   * Starts the thread and opens mesh, plane and packet sockets, but not the clients' sockets. Rejects with the reason when one of them
   * cannot be had.
   */
  static async start(config: PacketPlaneConfig, listeners: PacketPlaneListeners): Promise<PacketPlane> {
    const plane = new PacketPlane(config, listeners)
    await new Promise<void>((resolve, reject) => plane.#pending.set(READY, { resolve, reject }))
    return plane
  }

  private constructor(config: PacketPlaneConfig, listeners: PacketPlaneListeners) {
    this.#listeners = listeners
    this.#wake = config.path !== 'plain' && nativeAvailable() ? new Wake() : null
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { config, wakeFd: this.#wake?.fd ?? null, beats: this.#beats.memory },
    })
    this.#worker = worker
    worker.on('message', (messages: readonly FromWorker[]) => messages.forEach((message) => this.#receive(message)))
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', (status) => {
      this.#fail(new CodedError('ERR_CLOSED', `the data plane's thread ended with status ${status}`))
      this.#wake?.close()
      this.#wake = null
    })
  }

  /** Where the mesh listens, with the port that the system chose when 0 was asked for. */
  get meshEndpoint(): Endpoint {
    return this.#mesh!
  }

  /** Where the loopback plane listens; null for a TUN device. */
  get insideEndpoint(): Endpoint | null {
    return this.#inside
  }

  /** Which path packets take. */
  get path(): DataPath {
    return this.#path!
  }

  /** That the thread went round since this was asked last, which it does every few ms: how long after the time before, in ms, by its own clock. */
  beats(): readonly number[] {
    return this.#beats.take()
  }

  /** To the packet core, in order. Gathered until the end of this turn's callback. */
  send(message: ToPackets): void {
    this.#post(message)
  }

  setMeshKey(change: MeshKeyChange): void {
    this.#post({ type: 'mesh-key', change })
  }

  /** A gateway's mesh address; null: it left the cluster. */
  setMeshPeer(gateway: string, endpoint: Endpoint | null): void {
    this.#post({ type: 'mesh-peer', gateway, endpoint })
  }

  /** This gateway holds these addresses of the cluster. Announced only while the last `lease` sent is valid. */
  claim(addresses: readonly Bytes[]): void {
    this.#post({ type: 'claim', addresses })
  }

  release(): void {
    this.#post({ type: 'release' })
  }

  /** Binds the clients' sockets: only when the gateway is ready, for from then on clients are steered to it. All or none. */
  openSockets(): Promise<void> {
    return this.#request({ type: 'open-sockets' })
  }

  /** So that a shared port steers no client here any more. */
  closeSockets(): Promise<void> {
    return this.#request({ type: 'close-sockets' })
  }

  /** The prefixes of the clients' addresses, routed to the plane (`10.77.0.0/16`). Replaces what was set before. */
  setPools(prefixes: readonly string[]): Promise<void> {
    return this.#request({ type: 'set-pools', prefixes })
  }

  /**
   * Closes everything and ends the thread. What was sent before is handled first; requests under way reject with ERR_CLOSED. A thread that does
   * not answer is ended all the same, unless it hangs in a system call.
   */
  async close(): Promise<void> {
    if (this.#state !== 'open') return
    const exit = once(this.#worker, 'exit')
    this.#post({ type: 'close' })
    this.#state = 'closing'
    const limit = setTimeout(() => void this.#worker.terminate(), CLOSE_LIMIT_MS)
    await exit
    clearTimeout(limit)
  }

  #post(message: ToWorker): void {
    if (this.#state !== 'open') return
    if (this.#gathered.length === 0) queueMicrotask(() => this.#flush())
    this.#gathered.push(message)
  }

  #flush(): void {
    const messages = this.#gathered
    this.#gathered = []
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(messages)
    this.#wake?.wake()
  }

  #request(request: ShellRequest): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new CodedError('ERR_CLOSED', 'the data plane is closed'))
    this.#lastRequest += 1
    const id = this.#lastRequest
    this.#post({ type: 'request', id, request })
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }))
  }

  #receive(message: FromWorker): void {
    if (message.type === 'done') this.#done(message.id, message.error)
    else if (message.type === 'ready') this.#ready(message)
    else this.#listeners.onMessage(message)
  }

  #ready(message: Extract<FromWorker, { type: 'ready' }>): void {
    this.#mesh = message.mesh
    this.#inside = message.inside
    this.#path = message.path
    this.#state = 'open'
    this.#done(READY, null)
  }

  #done(id: number, error: string | null): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (error === null) pending?.resolve()
    else pending?.reject(new Error(error))
  }

  /** The thread is gone: expected after `close`, fatal otherwise. An error comes before the exit that it causes. */
  #fail(error: Error): void {
    const former = this.#state
    this.#state = 'closed'
    const closed = new CodedError('ERR_CLOSED', 'the data plane is closed', { cause: error })
    for (const [id, pending] of this.#pending) pending.reject(id === READY ? error : closed)
    this.#pending.clear()
    if (former === 'open') this.#listeners.onFatal(error)
  }
}
