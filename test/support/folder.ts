/** A folder for a test, gone afterwards. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'evpc-test-'))
  try {
    await run(path)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}
