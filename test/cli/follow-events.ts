/** `evpc events --follow` as a process, with its lines as they come. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

export interface Following {
  readonly child: ChildProcess
  /** The next line; null: it has ended. */
  next(): Promise<string | null>
  /** What it has said on standard error. */
  complaints(): string
}

/** Ends with the test. */
export function follow(t: TestContext, environment: Readonly<Record<string, string>>, ...args: readonly string[]): Following {
  const env = { PATH: process.env['PATH'] ?? '', ...environment }
  const child = spawn(process.execPath, [main, 'events', '--follow', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let complaints = ''
  child.stderr.on('data', (octets: Buffer) => (complaints += octets.toString()))
  return {
    child,
    next: async (): Promise<string | null> => {
      const line = await lines.next()
      return line.done === true ? null : line.value
    },
    complaints: () => complaints,
  }
}
