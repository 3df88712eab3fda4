/** Where the logs go: a disk, never memory; and how fast that disk syncs, since every figure hangs on it. */

import { mkdir, mkdtemp, open, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

/** Magic numbers of statfs(2): tmpfs and ramfs. */
const inMemory: readonly number[] = [0x01021994, 0x858458f6]

/** A new folder on a disk: among the temporary ones, or here, if those are in memory. */
export async function folderOnDisk(): Promise<string> {
  for (const parent of [tmpdir(), join(process.cwd(), 'out')]) {
    await mkdir(parent, { recursive: true })
    if (!inMemory.includes((await statfs(parent)).type)) return mkdtemp(join(parent, 'evpc-raft-commit-'))
  }
  throw new Error('the temporary folder and this one are in memory: set TMPDIR to a folder on a disk')
}

/** How long appending `octets` to a file and fdatasync take, in ms, ascending. */
export async function syncTimes(folder: string, octets: number, count: number): Promise<number[]> {
  const file = await open(join(folder, 'sync'), 'a')
  const bytes = new Uint8Array(octets)
  const times: number[] = []
  try {
    for (let i = 0; i < count; i++) {
      const begin = performance.now()
      await file.write(bytes)
      await file.datasync()
      times.push(performance.now() - begin)
    }
  } finally {
    await file.close()
  }
  return times.sort((a, b) => a - b)
}
