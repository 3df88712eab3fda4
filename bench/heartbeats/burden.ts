/**
 * What else the machine does beside the gateways: processes that never wait, and processes that sync a file over and over. Each has a session of
 * its own, as services have and as the gateways here have: where the kernel shares processors out by session (sched_autogroup), many processes in one
 * would count as one.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { signalChild } from '../../src/cli/signal-child.ts'

export interface Burden {
  /** Processes that want a processor all the time. */
  readonly busy: number
  /** Processes that write and sync all the time. */
  readonly syncing: number
}

/** Each ends with the bench, however that ends. */
const busyProgram = `
const bench = process.ppid
while (process.ppid === bench) for (let i = 0; i < 1e7; i++);`
const syncingProgram = `
const fs = require('node:fs')
const file = fs.openSync(process.argv[1], 'w')
const octets = Buffer.alloc(256 * 1024, 1)
const bench = process.ppid
for (let at = 0; process.ppid === bench; at = (at + octets.length) % (64 * 1024 * 1024)) {
  fs.writeSync(file, octets, 0, octets.length, at)
  fs.fsyncSync(file)
}`

/** Runs `body` under the burden; `folder`: on the disk that is to be busy. Whatever happens, its processes are ended. */
export async function under<T>({ busy, syncing }: Burden, folder: string, body: () => Promise<T>): Promise<T> {
  const children = [
    ...Array.from({ length: busy }, () => program(busyProgram)),
    ...Array.from({ length: syncing }, (_, i) => program(syncingProgram, join(folder, `burden-${i}`))),
  ]
  const end = (): void => children.forEach((child) => signalChild(child, 'SIGKILL'))
  process.once('exit', end)
  try {
    return await body()
  } finally {
    process.off('exit', end)
    const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    const exits = running.map((child) => once(child, 'exit'))
    end()
    await Promise.all(exits)
  }
}

function program(code: string, ...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['-e', code, ...args], { stdio: 'ignore', detached: true })
}
