/**
 * Private network namespaces for tests that need root. Each is named after the process, and removed when the test ends.
 */

import { existsSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { commandExists, runCommand, tryCommand } from '../../src/network/commands.ts'
import { nativeAvailable } from '../../src/network/syscalls.ts'

/** Why a test with namespaces cannot run here, or false. */
export async function namespacesUnavailable(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!(await commandExists('ip'))) return 'needs iproute2'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  return nativeAvailable() ? false : 'koffi does not load here'
}

export interface Namespaces {
  /** Runs a command in the namespace; its standard output. */
  run(namespace: string, ...command: readonly string[]): Promise<string>
  tryRun(namespace: string, ...command: readonly string[]): Promise<{ status: number; stdout: string }>
  /** Forks a module in the namespace, with messages; ended with the test. */
  fork(namespace: string, module: URL, ...rest: readonly string[]): ChildProcess
  /** The same, started by another command (`strace …`). */
  forkBy(command: readonly string[], namespace: string, module: URL, ...rest: readonly string[]): ChildProcess
}

let created = 0

/** Creates the namespaces (short names, made unique) with loopback up, runs `body`, ends the children and removes everything. */
export async function withNamespaces(names: readonly string[], body: (namespaces: Namespaces) => Promise<void>): Promise<void> {
  created += 1
  const unique = (name: string): string => `evpc${process.pid}-${created}-${name}`
  const children: ChildProcess[] = []
  try {
    for (const name of names) await runCommand(['ip', 'netns', 'add', unique(name)])
    for (const name of names) await runCommand(['ip', '-n', unique(name), 'link', 'set', 'lo', 'up'])
    await body(namespacesOf(unique, children))
  } finally {
    await Promise.all(children.map(end))
    for (const name of names) await tryCommand(['ip', 'netns', 'del', unique(name)])
  }
}

function namespacesOf(unique: (name: string) => string, children: ChildProcess[]): Namespaces {
  // In a command, {name} stands for the unique name of a namespace.
  const expand = (words: readonly string[]): string[] => words.map((word) => word.replace(/^\{(\w+)\}$/, (_, name: string) => unique(name)))
  const inside = (namespace: string, command: readonly string[]): [string, ...string[]] => [
    'ip',
    'netns',
    'exec',
    unique(namespace),
    ...expand(command),
  ]
  const forkBy: Namespaces['forkBy'] = (command, namespace, module, ...rest) => {
    const [file, ...words] = inside(namespace, [...command, process.execPath, module.pathname, ...rest])
    const child = spawn(file, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    children.push(child)
    return child
  }
  return {
    run: (namespace, ...command) => runCommand(inside(namespace, command)),
    tryRun: (namespace, ...command) => tryCommand(inside(namespace, command)),
    fork: (namespace, module, ...rest) => forkBy([], namespace, module, ...rest),
    forkBy,
  }
}

async function end(child: ChildProcess): Promise<void> {
  // One that never started has no pid, and kill() would signal our own process group.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
