/** Benches that stand in the lab: namespaces, stock clients and servers. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortable } from '../chaos/lab/abortable.ts'
import type { Ground } from '../chaos/lab/carry-through.ts'
import { carryThrough } from '../chaos/lab/carry-through.ts'
import { UnfitError } from '../chaos/lab/lab-error.ts'
import { requireLab } from '../chaos/lab/requirements.ts'

/** What this machine lacks, as a sentence; null where the lab can be set up. */
export async function labMissing(): Promise<string | null> {
  try {
    await requireLab()
    return null
  } catch (error) {
    if (error instanceof UnfitError) return error.message
    throw error
  }
}

/** Whatever happens, what was made is gone again; so it is when a signal ends the bench. Throws an error that names the logs, which stay then. */
export async function inLab<T>(name: string, body: (ground: Ground) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `evpc-${name}-`))
  const outcome = await abortable((signal) => carryThrough(signal, async (prefix, undo) => body({ prefix, folder, undo, signal })))
  if (outcome.type === 'broken') throw new Error(`${outcome.error} (logs: ${folder})`)
  await rm(folder, { recursive: true })
  return outcome.result
}
