/** Runs a mutant over seeds, in a process of its own. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Caught } from '../run.ts'

const program = fileURLToPath(new URL('process.js', import.meta.url))
const timeoutMs = 300_000

/** Null: nothing was seen. Throws when the mutant itself is not what it was: its text is gone, or it does not run. */
export async function tryPatchMutant(name: string, firstSeed: number, runs: number): Promise<Caught | null> {
  const args = ['--enable-source-maps', program, name, String(firstSeed), String(runs)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: timeoutMs })
  let output = ''
  child.stdout.on('data', (data: Buffer) => void (output += data.toString()))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`mutant "${name}": its process ended with ${code ?? signal}`)
  return JSON.parse(output) as Caught | null
}
