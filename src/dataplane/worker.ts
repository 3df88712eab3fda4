/**
 * The data plane's thread: Raft, IKE and HTTP never share one with packets. Its handle is packet-plane.ts.
 *
 * Messages to the main thread are gathered and sent once a turn of the loop: one wake for a burst of packets. Errors are not caught:
 * they end the thread, and the handle tells the process to stop.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../kit/assert.ts'
import type { FromWorker, PacketPlaneConfig, ToWorker } from './messages.ts'
import type { PacketCoreModule } from './packet-core-host.ts'
import { PacketHost } from './packet-host.ts'

assert(parentPort !== null, 'worker.ts is the entry of a worker thread')
const port = parentPort
const config = workerData as PacketPlaneConfig

let gathered: FromWorker[] = []

function toMain(message: FromWorker): void {
  if (gathered.length === 0) setImmediate(flush)
  gathered.push(message)
}

function flush(): void {
  const messages = gathered
  gathered = []
  if (messages.length > 0) port.postMessage(messages)
}

function onFatal(error: Error): void {
  setImmediate(() => {
    throw error
  })
}

const module = (await import(config.core.module)) as PacketCoreModule
const host = await PacketHost.open({ config, module, toMain, onFatal })

port.on('message', (messages: readonly ToWorker[]) => {
  for (const message of messages) host.handle(message)
  if (messages.at(-1)?.type === 'close') void close()
})

/** With the port closed and nothing open any more, the thread ends by itself. */
async function close(): Promise<void> {
  await host.close()
  flush()
  port.close()
}
