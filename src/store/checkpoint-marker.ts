/**
 * A small file beside the generations of a checkpoint store. It says which is the present one, and how many checkpoints it holds at least:
 * a store that lost the end of its log file opens as an older one, consistent in itself, and only something outside it can tell.
 */

import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'

export interface Marker {
  /** The number that names the present generation's folder. */
  readonly generation: number
  readonly writes: number
}

/** Null when there is no such file; `'damaged'` when it does not hold what was written. */
export async function readMarker(path: string): Promise<Marker | 'damaged' | null> {
  const text = await readFile(path, 'latin1').catch(ignoreMissing)
  if (text === null) return null
  const match = /^evpc-checkpoints 1 (\d+) (\d+) ([0-9a-f]{8})\n$/.exec(text)
  if (match === null || checksumOf(text.slice(0, -9)) !== match[3]) return 'damaged'
  return { generation: Number(match[1]), writes: Number(match[2]) }
}

/** Replaces the file in one step, durably, and with it what was done in its folder before. */
export async function writeMarker(path: string, { generation, writes }: Marker): Promise<void> {
  const text = `evpc-checkpoints 1 ${generation} ${writes} `
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${text}${checksumOf(text)}\n`, 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
  await rename(`${path}.new`, path)
  await syncFolder(dirname(path))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

function ignoreMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
  throw error
}
