/** Processes of a bench's own. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Undo } from '../../chaos/lab/undo.ts'
import { signalChild } from '../../src/cli/signal-child.ts'

type Command = readonly string[]

/**
 * Runs a built module, with messages to and fro; `inside` makes its command one that runs elsewhere, as `LabNetwork.inside` does. It ends with
 * `undo`, where errors name it `name`. In a process group of its own: Ctrl-C is the bench's, which ends all in order.
 */
export function startProcess(module: string, name: string, undo: Undo, inside = (command: Command): Command => command): ChildProcess {
  const [command = '', ...args] = inside([process.execPath, '--enable-source-maps', module])
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced', detached: true })
  undo.add(name, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    signalChild(child, 'SIGKILL')
    await exit
  })
  return child
}
