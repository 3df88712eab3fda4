/** The marker of the log's store (marker-file.ts): how often the store was opened, and after a clean end what it then held. */

import { readMarkerFile, writeMarkerFile } from './marker-file.ts'

export interface BootMarker {
  readonly bootCounter: number
  /** Present after a clean end: what the store must hold exactly. */
  readonly end: { readonly lastIndex: number; readonly lastChecksum: number; readonly currentTerm: number } | null
}

/** Null when there is no such file; `'damaged'` when it does not hold what was written. */
export async function readBootMarker(path: string): Promise<BootMarker | 'damaged' | null> {
  const found = await readMarkerFile(path)
  if (found === null || found === 'damaged') return found
  const match = /^evpc-raft 1 (\d+)(?: (\d+) (\d+) (\d+))?$/.exec(found.text)
  if (match === null) return 'damaged'
  const [bootCounter, lastIndex, lastChecksum, currentTerm] = match.slice(1, 5).map(Number) as [number, number, number, number]
  return { bootCounter, end: match[2] === undefined ? null : { lastIndex, lastChecksum, currentTerm } }
}

/** Replaces the file in one step, durably. */
export async function writeBootMarker(path: string, marker: BootMarker): Promise<void> {
  const end = marker.end === null ? '' : ` ${marker.end.lastIndex} ${marker.end.lastChecksum} ${marker.end.currentTerm}`
  await writeMarkerFile(path, `evpc-raft 1 ${marker.bootCounter}${end}`)
}
