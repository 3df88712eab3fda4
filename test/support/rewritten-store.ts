/** Changes a checkpoint store behind LevelDB's own checks: as if it had returned something else than was put. */

import { join } from 'node:path'
import { Level } from 'level'

type Database = Level<Uint8Array, Uint8Array>

/** Of the first generation, while nobody has it open. */
export async function rewrite<T>(path: string, change: (database: Database) => Promise<T>): Promise<T> {
  const database: Database = new Level(join(path, '1'), { keyEncoding: 'view', valueEncoding: 'view', compression: false })
  try {
    return await change(database)
  } finally {
    await database.close()
  }
}
