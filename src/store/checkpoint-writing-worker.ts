/** The entry of the thread that puts one checkpoint together, and ends. Its handle is checkpoint-writing-thread.ts. */

import { on } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../kit/assert.ts'
import { CodedError } from '../kit/errors.ts'
import { ChangesBatch } from './checkpoint-batch.ts'
import { unpackChanges } from './checkpoint-pages.ts'
import { openDatabase } from './checkpoint-reading.ts'
import type { FromWriter, ToWriter, WritingData } from './checkpoint-writing-thread.ts'

assert(parentPort !== null, 'checkpoint-writing-worker.ts is the entry of a worker thread')
const port = parentPort
const { path, root } = workerData as WritingData

async function serve(): Promise<FromWriter> {
  const database = await openDatabase(path)
  try {
    const changes = new ChangesBatch(path, database, root)
    for await (const [request] of on(port, 'message') as AsyncIterable<[ToWriter]>) {
      if (request.type === 'abandon') {
        await changes.abandon()
        return { type: 'abandoned' }
      }
      if (request.type === 'write') return { type: 'written', ...(await changes.write(request.mark)) }
      await changes.add(unpackChanges(request.packed))
      port.postMessage({ type: 'taken' } satisfies FromWriter, [])
    }
    throw new Error('the port has no more messages')
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
