/**
 * Sets the system up with its own tools (`ip`, `nft`, /proc/sys), once: never on the way of a packet.
 */

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const TIMEOUT_MS = 10_000

/** Runs a command without a shell, with `input` on its standard input. A failure to start it (not installed) throws. */
export function tryCommand(command: readonly [string, ...string[]], input = ''): Promise<CommandResult> {
  const [file, ...rest] = command
  return new Promise((resolve, reject) => {
    const child = execFile(file, rest, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(new Error(`${command.join(' ')}: ${error.message}`, { cause: error }))
      else resolve({ status: error === null ? 0 : (error.code as number), stdout, stderr })
    })
    // The command may end without reading its input.
    child.stdin?.on('error', () => child.stdin?.destroy())
    child.stdin?.end(input)
  })
}

/** Like `tryCommand`, and throws when it fails, with its words. Returns its standard output. */
export async function runCommand(command: readonly [string, ...string[]], input = ''): Promise<string> {
  const result = await tryCommand(command, input)
  if (result.status !== 0) throw new Error(`${command.join(' ')}: exit ${result.status}: ${result.stderr.trim()}`)
  return result.stdout
}

/**
 * Whether a tool is installed. EACCES says no, too: it is what a search gives that found nothing, but could not look into every folder of
 * the path (execvp(3)).
 */
export async function commandExists(file: string): Promise<boolean> {
  try {
    await tryCommand([file, '--version'])
    return true
  } catch (error) {
    const { code } = (error as Error).cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES') return false
    throw error
  }
}

/**
 * Gives a file under /proc/sys the value, unless it has it: where a container may not write there, somebody else has to have set it.
 * Throws with the file's name.
 */
export async function setSysctl(file: string, value: string): Promise<void> {
  const path = `/proc/sys/${file}`
  if ((await readFile(path, 'latin1')).trim() === value) return
  await writeFile(path, value)
}
