/** What one checkpoint changes, until it is written: a batch of LevelDB's, and what all records come to with it. */

import type { Bytes } from '../kit/bytes.ts'
import { toHex } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'
import type { Database } from './checkpoint-reading.ts'
import { fail } from './checkpoint-reading.ts'
import type { Mark, Root } from './checkpoint-records.ts'
import { encodeRoot, openRecord, rootKey, sealRecord, storedKey, Tally } from './checkpoint-records.ts'

/** One checkpoint that is being put together, here or in a thread of its own. After an error, `write` and `abandon` it is over. */
export interface Changes {
  /** Each key at most once in all pages. Throws `ERR_STORAGE_DAMAGED` for what they replace, `ERR_STORAGE`. */
  add(page: readonly CheckpointRecord[]): Promise<void>
  /** All or nothing, synced. */
  write(mark: Mark): Promise<WrittenChanges>
  /** Nothing of it is written. */
  abandon(): Promise<void>
}

export interface WrittenChanges {
  readonly root: Root
  /** How many records went. */
  readonly removals: number
}

export class ChangesBatch implements Changes {
  readonly #path: string
  readonly #database: Database
  readonly #root: Root
  readonly #batch: ReturnType<Database['batch']>
  readonly #tally: Tally
  #added = 0

  /** `root`: what is written before this. */
  constructor(path: string, database: Database, root: Root) {
    this.#path = path
    this.#database = database
    this.#root = root
    this.#batch = database.batch()
    this.#tally = new Tally(root)
  }

  async add(page: readonly CheckpointRecord[]): Promise<void> {
    const former = await this.#checksums(page)
    page.forEach(({ key, value }, i) => {
      const checksum = former[i]!
      if (checksum !== null) this.#tally.remove(checksum)
      if (value === null) {
        if (checksum !== null) this.#batch.del(storedKey(key))
        return
      }
      const record = sealRecord(key, value)
      this.#tally.add(record.checksum)
      if (checksum === null) this.#added += 1
      this.#batch.put(storedKey(key), record.stored)
    })
  }

  async write(mark: Mark): Promise<WrittenChanges> {
    const { count, sum } = this.#tally
    const root = { ...this.#root, writes: this.#root.writes + 1, mark, count, sum }
    this.#batch.put(rootKey, encodeRoot(root))
    await storageOperation(() => this.#batch.write({ sync: true }))
    return { root, removals: this.#root.count + this.#added - count }
  }

  abandon(): Promise<void> {
    return this.#batch.close()
  }

  /** Of what is stored for these keys: its checksum, or null when there is nothing. */
  async #checksums(page: readonly CheckpointRecord[]): Promise<(number | null)[]> {
    const values: (Bytes | undefined)[] = await storageOperation(() => this.#database.getMany(page.map(({ key }) => storedKey(key))))
    return values.map((stored, i) => {
      if (stored === undefined) return null
      return openRecord(page[i]!.key, stored)?.checksum ?? fail(this.#path, `record ${toHex(page[i]!.key)}: wrong checksum`)
    })
  }
}

export async function storageOperation<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw new CodedError('ERR_STORAGE', `the checkpoint store failed: ${String(error)}`, { cause: error })
  }
}
