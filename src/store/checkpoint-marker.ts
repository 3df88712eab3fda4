/** The marker beside the generations of a checkpoint store: which is the present one, and how many checkpoints it holds at least. */

import { dirname } from 'node:path'
import { readMarkerFile, syncFolder, writeMarkerFile } from '../../raft/index.ts'

export interface Marker {
  /** The number that names the present generation's folder. */
  readonly generation: number
  readonly writes: number
}

/** Null when there is no such file; `'damaged'` when it does not hold what was written. */
export async function readMarker(path: string): Promise<Marker | 'damaged' | null> {
  const found = await readMarkerFile(path)
  if (found === null || found === 'damaged') return found
  const match = /^evpc-checkpoints 1 (\d+) (\d+)$/.exec(found.text)
  return match === null ? 'damaged' : { generation: Number(match[1]), writes: Number(match[2]) }
}

/** Replaces the file in one step, durably, and after what was done in its folder before. */
export async function writeMarker(path: string, { generation, writes }: Marker): Promise<void> {
  await syncFolder(dirname(path))
  await writeMarkerFile(path, `evpc-checkpoints 1 ${generation} ${writes}`)
}
