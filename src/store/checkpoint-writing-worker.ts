/** The entry of the thread that puts one checkpoint together, and ends. Its handle is checkpoint-writing-thread.ts. */

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../kit/assert.ts'
import { CodedError } from '../kit/errors.ts'
import { ChangesBatch } from './checkpoint-batch.ts'
import { unpackChanges } from './checkpoint-pages.ts'
import { openDatabase } from './checkpoint-reading.ts'
import { decodeRoot, encodeRoot } from './checkpoint-records.ts'
import type { FromWriter, ToWriter, WritingData } from './checkpoint-writing-thread.ts'

assert(parentPort !== null, 'checkpoint-writing-worker.ts is the entry of a worker thread')
const port = parentPort
const { path, root } = workerData as WritingData
const requests: ToWriter[] = []
let arrived: () => void = () => undefined
port.on('message', (request: ToWriter) => {
  requests.push(request)
  arrived()
})

async function nextRequest(): Promise<ToWriter> {
  while (requests.length === 0) await new Promise<void>((resolve) => (arrived = resolve))
  return requests.shift()!
}

async function serve(): Promise<FromWriter> {
  const database = await openDatabase(path)
  try {
    const changes = new ChangesBatch(path, database, decodeRoot(root))
    for (;;) {
      const request = await nextRequest()
      if (request.type === 'abandon') {
        await changes.abandon()
        return { type: 'abandoned' }
      }
      if (request.type === 'write') {
        const written = await changes.write(decodeRoot(request.root).mark!)
        return { type: 'written', root: encodeRoot(written.root), removals: written.removals }
      }
      await changes.add(unpackChanges(request.packed))
      port.postMessage({ type: 'taken' } satisfies FromWriter, [])
    }
  } finally {
    await database.close()
  }
}

const outcome = await serve().catch((error: unknown): FromWriter => {
  if (error instanceof CodedError) return { type: 'failed', code: error.code, message: error.message }
  throw error
})
port.postMessage(outcome, [])
port.close()
