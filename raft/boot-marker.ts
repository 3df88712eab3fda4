/**
 * A small file beside the store that says how often the store was opened, and after a clean end what it then held: a store that lost its log
 * file opens as an empty or older one, consistent in itself, and only something outside it can tell.
 */

import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'

export interface BootMarker {
  readonly bootCounter: number
  /** Present after a clean end: what the store must hold exactly. */
  readonly end: { readonly lastIndex: number; readonly lastChecksum: number; readonly currentTerm: number } | null
}

/** Null when there is no such file; `'damaged'` when it does not hold what was written. */
export async function readBootMarker(path: string): Promise<BootMarker | 'damaged' | null> {
  const text = await readFile(path, 'latin1').catch(ignoreMissing)
  if (text === null) return null
  const match = /^evpc-raft 1 (\d+)(?: (\d+) (\d+) (\d+))? ([0-9a-f]{8})\n$/.exec(text)
  if (match === null || checksumOf(text.slice(0, -9)) !== match[5]) return 'damaged'
  const [bootCounter, lastIndex, lastChecksum, currentTerm] = match.slice(1, 5).map(Number) as [number, number, number, number]
  return { bootCounter, end: match[2] === undefined ? null : { lastIndex, lastChecksum, currentTerm } }
}

/** Replaces the file in one step, durably. */
export async function writeBootMarker(path: string, marker: BootMarker): Promise<void> {
  const end = marker.end === null ? '' : ` ${marker.end.lastIndex} ${marker.end.lastChecksum} ${marker.end.currentTerm}`
  const text = `evpc-raft 1 ${marker.bootCounter}${end} `
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${text}${checksumOf(text)}\n`, 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
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
