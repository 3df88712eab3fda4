/** A storage of the log that tells how long its writes take. LevelDB writes and syncs in one call, so both are in it. */

import { performance } from 'node:perf_hooks'
import type { Storage } from '../../../raft/index.ts'

export function timedStorage(storage: Storage, onWrite: (seconds: number) => void): Storage {
  return {
    load: () => storage.load(),
    close: () => storage.close(),
    write: async (batch) => {
      const startedMs = performance.now()
      await storage.write(batch)
      onWrite((performance.now() - startedMs) / 1000)
    },
  }
}
