/** Processes of a bench's own in the namespaces of the lab's participants. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { LabNetwork } from '../../chaos/lab/network.ts'
import type { Undo } from '../../chaos/lab/undo.ts'
import { signalChild } from '../../src/cli/signal-child.ts'

/**
 * Runs a built module as `participant`, with messages to and fro. It ends with `undo`, where errors name it `name`. In a process group of its
 * own: Ctrl-C is the bench's, which ends all in order.
 */
export function startInNamespace(network: LabNetwork, participant: string, module: string, name: string, undo: Undo): ChildProcess {
  const [command = '', ...args] = network.inside(participant, [process.execPath, '--enable-source-maps', module])
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced', detached: true })
  undo.add(name, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    signalChild(child, 'SIGKILL')
    await exit
  })
  return child
}
