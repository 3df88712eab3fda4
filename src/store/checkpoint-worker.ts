/** The entry of the thread that reads a generation to its end, and ends. Its handle is checkpoint-thread.ts. */

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../kit/assert.ts'
import { CodedError } from '../kit/errors.ts'
import { packPage } from './checkpoint-pages.ts'
import { checkLevelLogs, openDatabase, Reading } from './checkpoint-reading.ts'
import type { Tally } from './checkpoint-records.ts'
import type { FromThread } from './checkpoint-thread.ts'
import { PAGES_AHEAD } from './checkpoint-thread.ts'

assert(parentPort !== null, 'checkpoint-worker.ts is the entry of a worker thread')
const port = parentPort
let ahead = 0
let taken: () => void = () => undefined
port.on('message', () => {
  ahead -= 1
  taken()
})

async function read(path: string): Promise<Tally> {
  await checkLevelLogs(path)
  const database = await openDatabase(path)
  try {
    const reading = await Reading.start(path, database)
    await reading.toEnd(async (page) => {
      const packed = packPage(page)
      port.postMessage({ type: 'page', packed } satisfies FromThread, [packed.buffer as ArrayBuffer])
      ahead += 1
      while (ahead >= PAGES_AHEAD) await new Promise<void>((resolve) => (taken = resolve))
    })
    return reading.tally
  } finally {
    await database.close()
  }
}

function outcome(path: string): Promise<FromThread> {
  return read(path).then(
    ({ count, sum }) => ({ type: 'read', count, sum }),
    (error: unknown) => {
      if (error instanceof CodedError) return { type: 'failed', code: error.code, message: error.message }
      throw error
    },
  )
}

port.postMessage(await outcome(workerData as string))
port.close()
