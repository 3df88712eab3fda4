/**
 * Reads a large generation in a thread: LevelDB's copies of millions of records, and their checksums, are half of the work of a restart, and go on
 * beside the other half. The pages come packed, a buffer each that changes hands, and no more of them at once than are taken.
 */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import type { ErrorCode } from '../kit/errors.ts'
import { CodedError } from '../kit/errors.ts'
import type { CheckpointLoading, StoredRecord } from './checkpoint-reading.ts'
import { Tally } from './checkpoint-records.ts'

/** What has fewer octets on disk is read sooner than a thread has started. */
export const LARGE_OCTETS = 32 * 2 ** 20
/** Pages on their way. */
export const PAGES_AHEAD = 3

/** What the thread is told of each page. */
const TAKEN = 'taken'

/** What the thread says. */
export type FromThread =
  | { readonly type: 'page'; readonly packed: ArrayBuffer }
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
    const taken = (packed: ArrayBuffer): void => {
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

const HEAD_OCTETS = 5

/** A page in one buffer: key length u8 | value length u32 | key | value, a record after the other. */
export function packPage(page: readonly StoredRecord[]): ArrayBuffer {
  const packed = new Uint8Array(page.reduce((octets, { key, value }) => octets + HEAD_OCTETS + key.length + value.length, 0))
  const view = dataView(packed)
  let at = 0
  for (const { key, value } of page) {
    view.setUint8(at, key.length)
    view.setUint32(at + 1, value.length)
    packed.set(key, at + HEAD_OCTETS)
    packed.set(value, at + HEAD_OCTETS + key.length)
    at += HEAD_OCTETS + key.length + value.length
  }
  return packed.buffer
}

/** Views of the buffer. */
export function unpackPage(packed: ArrayBuffer): [Bytes, Bytes][] {
  const view = new DataView(packed)
  const page: [Bytes, Bytes][] = []
  for (let at = 0; at < packed.byteLength;) {
    const [key, value] = [view.getUint8(at), view.getUint32(at + 1)]
    at += HEAD_OCTETS
    page.push([new Uint8Array(packed, at, key), new Uint8Array(packed, at + key, value)])
    at += key + value
  }
  return page
}

/** Of all files in a folder. */
export async function octetsIn(path: string): Promise<number> {
  const sizes = await Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
