/**
 * A small file beside a store, with a checksum: a store that lost its log file opens as an empty or older one, consistent in itself, and only
 * something outside it can tell.
 */

import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'

/** A space and the checksum's eight digits, and the end of the line. */
const CHECKSUM_CHARACTERS = 10

/** The text that was written; null when there is no such file; `'damaged'` when its checksum does not fit. */
export async function readMarkerFile(path: string): Promise<{ readonly text: string } | 'damaged' | null> {
  const line = await readFile(path, 'latin1').catch(ignoreMissing)
  if (line === null) return null
  const text = line.slice(0, -CHECKSUM_CHARACTERS)
  return line === withChecksum(text) ? { text } : 'damaged'
}

/** Replaces the file in one step, durably. `text`: one line of Latin-1. */
export async function writeMarkerFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(withChecksum(text), 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncFolder(dirname(path))
}

/** What was made, renamed or removed in the folder is on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function withChecksum(text: string): string {
  return `${text} ${crc32(`${text} `).toString(16).padStart(8, '0')}\n`
}

function ignoreMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
  throw error
}
