/** What a store keeps of checkpoints, in memory. */

import { fromHex, toHex } from '../../src/kit/bytes.ts'
import type { CheckpointRecord, Checkpointer } from '../../src/session/checkpoint.ts'

export class CheckpointRecords {
  readonly #byKey = new Map<string, Uint8Array>()

  write(records: readonly CheckpointRecord[]): void {
    for (const { key, value } of records) {
      if (value === null) this.#byKey.delete(toHex(key))
      else this.#byKey.set(toHex(key), value)
    }
  }

  *[Symbol.iterator](): Generator<readonly [Uint8Array, Uint8Array]> {
    for (const [key, value] of this.#byKey) yield [fromHex(key)!, value]
  }
}

/** A whole checkpoint at once. */
export function checkpoint(checkpointer: Checkpointer): CheckpointRecord[] {
  checkpointer.begin()
  const records: CheckpointRecord[] = []
  for (let page = checkpointer.next(1000); page.length > 0; page = checkpointer.next(1000)) records.push(...page)
  return records
}
