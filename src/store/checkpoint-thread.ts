/**
 * Reads a large generation in a thread: LevelDB's copies of millions of records, and their checksums, are half of the work of a restart, and go on
 * beside the other half. No more pages come at once than are taken.
 */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../kit/bytes.ts'
import type { ErrorCode } from '../kit/errors.ts'
import { CodedError } from '../kit/errors.ts'
import { unpackPage } from './checkpoint-pages.ts'
import type { CheckpointLoading } from './checkpoint-reading.ts'
import { Tally } from './checkpoint-records.ts'

/** What has fewer octets on disk is read sooner than a thread has started. */
export const LARGE_OCTETS = 32 * 2 ** 20
/** Pages on their way. */
export const PAGES_AHEAD = 3

/** What the thread is told of each page. */
const TAKEN = 'taken'

/** What the thread says. */
export type FromThread =
  | { readonly type: 'page'; readonly packed: Bytes }
  | { readonly type: 'read'; readonly count: number; readonly sum: number }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }

/** Resolves to what the records come to. LevelDB is closed again then, also after an error: `ERR_STORAGE_DAMAGED`, `ERR_STORAGE`, what `loading` throws. */
export function readInThread(path: string, loading: CheckpointLoading): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./checkpoint-worker.js', import.meta.url), { workerData: path })
    let outcome: (() => void) | null = null
    const fail = (error: Error): void => {
      outcome ??= () => reject(error)
    }
    const taken = (packed: Bytes): void => {
      // Some were on their way when it was to end.
      if (outcome !== null) return
      try {
        loading.add(unpackPage(packed))
        worker.postMessage(TAKEN, [])
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
        void worker.terminate()
      }
    }
    worker.on('message', (message: FromThread) => {
      if (message.type === 'page') taken(message.packed)
      else if (message.type === 'read') outcome ??= () => resolve(new Tally(message))
      else fail(new CodedError(message.code, message.message))
    })
    worker.on('error', (error) =>
      fail(new CodedError('ERR_STORAGE', `${path}: the thread that reads it failed: ${String(error)}`, { cause: error })),
    )
    // Only then has it surely let go of the folder.
    worker.on('exit', (status) => {
      fail(new CodedError('ERR_STORAGE', `${path}: the thread that reads it ended with status ${status}`))
      outcome?.()
    })
  })
}

/** Of all files in a folder. */
export async function octetsIn(path: string): Promise<number> {
  const sizes = await Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
