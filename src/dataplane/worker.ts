/**
 * The data plane's thread: Raft, IKE and HTTP never share one with packets. Its handle is packet-plane.ts.
 *
 * On the fast path turns.ts runs the thread; on the plain one Node's event loop does, and messages to the main thread are gathered and sent
 * once a turn of it: one wake for a burst of packets. Errors are not caught: they end the thread, and the handle tells the process to stop.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../kit/assert.ts'
import { BlockingPoller } from '../network/poller.ts'
import { Beats } from './beats.ts'
import { chooseDataPath } from './data-path.ts'
import type { FromWorker, PacketPlaneConfig, ToWorker } from './messages.ts'
import type { PacketCoreModule } from './packet-core-host.ts'
import { PacketHost } from './packet-host.ts'
import { Turns } from './turns.ts'

assert(parentPort !== null, 'worker.ts is the entry of a worker thread')
const port = parentPort
interface WorkerData {
  readonly config: PacketPlaneConfig
  /** What the main thread writes to after a message; null where there are no system calls. */
  readonly wakeFd: number | null
  /** Of `Beats`. */
  readonly beats: SharedArrayBuffer
}

const { config, wakeFd, beats: shared } = workerData as WorkerData

const path = chooseDataPath(wakeFd === null && config.path === 'auto' ? 'plain' : config.path)
const poller = path.type === 'fast' && wakeFd !== null ? new BlockingPoller(wakeFd) : null
const beats = new Beats(shared)
let gathered: FromWorker[] = []

/** With turns of our own each of them ends with a flush. */
function toMain(message: FromWorker): void {
  if (gathered.length === 0 && poller === null) setImmediate(flush)
  gathered.push(message)
}

function flush(): void {
  if (gathered.length === 0) return
  const messages = gathered
  gathered = []
  port.postMessage(messages)
}

function onFatal(error: Error): void {
  setImmediate(() => {
    throw error
  })
}

const module = (await import(config.core.module)) as PacketCoreModule
const host = await PacketHost.open({ config, module, path, poller, toMain, onTick: (gapMs) => beats.beat(gapMs), onFatal })

if (poller === null) {
  port.on('message', (messages: readonly ToWorker[]) => {
    for (const message of messages) host.handle(message)
    if (messages.at(-1)?.type === 'close') void close()
  })
} else {
  new Turns({ poller, port, host, flush, onClose: () => void close() })
}

/** With the port closed and nothing open any more, the thread ends by itself. */
async function close(): Promise<void> {
  await host.close()
  poller?.close()
  flush()
  port.close()
}
