/**
 * The lab's processes and commands. Whatever the lab starts is remembered by its process id and ended by that id; nothing is ever looked
 * up by name, so that two labs, or a lab beside a user's own strongSwan, do not disturb each other.
 */

import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { LabError } from './lab-error.ts'
import { signalChild } from '../../src/cli/signal-child.ts'

const COMMAND_TIMEOUT_MS = 30_000
const OUTPUT_LIMIT_OCTETS = 64 << 20
/** What a process gets to end by itself before SIGKILL: charon deletes its SAs first. */
const GRACE_MS = 3_000

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** Runs a command to its end and returns its standard output; throws a LabError with the command and its complaint. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { failed, stdout, stderr } = await attempt(command, options)
  if (failed) throw new LabError(`${command.join(' ')}: ${stderr.trim() || stdout.trim() || 'failed without a word'}`)
  return stdout
}

/** The same, for commands that may fail. */
export async function attempt(
  [file, ...args]: readonly string[],
  { env, input }: CommandOptions = {},
): Promise<{ readonly failed: boolean; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const settings = { env: { ...process.env, ...env }, timeout: COMMAND_TIMEOUT_MS, maxBuffer: OUTPUT_LIMIT_OCTETS }
    const child = execFile(file ?? '', args, settings, (error, stdout, stderr) => {
      resolve({ failed: error !== null, stdout, stderr: stderr || (error?.message ?? '') })
    })
    child.stdin?.end(input)
  })
}

/** A process of the lab's, its output in a file. */
export class LabProcess {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #exit: Promise<void>
  #exited = false

  constructor(name: string, child: ChildProcess, logFile: string) {
    this.name = name
    this.logFile = logFile
    this.#child = child
    this.#exit = new Promise((resolve) => {
      const done = () => {
        this.#exited = true
        resolve()
      }
      child.once('exit', done)
      child.once('error', done)
    })
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new LabError(`${this.name} could not be started`)
    return pid
  }

  get isRunning(): boolean {
    return !this.#exited
  }

  /** The exit status; null while it runs and when a signal ended it. */
  get exitStatus(): number | null {
    return this.#child.exitCode
  }

  /** Its output so far. */
  get log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#exited) signalChild(this.#child, signal)
  }

  /** Sends the signal and waits for the end; SIGKILL after a grace period. A frozen process is thawed first, else it never hears SIGTERM. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal)
    this.signal('SIGCONT')
    await Promise.race([this.#exit, delay(GRACE_MS, undefined, { ref: false })])
    this.signal('SIGKILL')
    await this.#exit
  }

  /** SIGKILL; returns once the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exit
  }
}

/** Starts a process in a process group of its own, so that a Ctrl-C on the terminal reaches only the lab, which then ends all in order. */
export function start(
  name: string,
  [file, ...args]: readonly string[],
  logFile: string,
  env: Readonly<Record<string, string>> = {},
): LabProcess {
  const log = openSync(logFile, 'a')
  try {
    const child = spawn(file ?? '', args, { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...env } })
    return new LabProcess(name, child, logFile)
  } finally {
    closeSync(log)
  }
}

/** Asks again and again until `isDone`; throws a LabError that says what was waited for. */
export async function waitUntil(
  what: string,
  limitMs: number,
  signal: AbortSignal,
  isDone: () => boolean | Promise<boolean>,
  everyMs = 50,
): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!(await isDone())) {
    if (Date.now() >= deadline) throw new LabError(`waited ${limitMs} ms in vain for ${what}`)
    await delay(everyMs, undefined, { signal })
  }
}
