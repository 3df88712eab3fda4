/** The demo's gateways as child processes: `evpc serve`, each with its log in a file. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { DemoLayout, GatewayLayout } from './layout.ts'
import { signalChild } from '../signal-child.ts'

const mainFile = fileURLToPath(new URL('../../main.js', import.meta.url))

export class GatewayProcesses {
  readonly #layout: DemoLayout
  readonly #running = new Map<string, ChildProcess>()
  readonly #onChange: (processes: readonly number[]) => void
  readonly #onUnexpectedExit: (gateway: string, signal: NodeJS.Signals | null) => void
  readonly #expected = new WeakSet<ChildProcess>()

  constructor(
    layout: DemoLayout,
    handlers: {
      onChange: (processes: readonly number[]) => void
      onUnexpectedExit: (gateway: string, signal: NodeJS.Signals | null) => void
    },
  ) {
    this.#layout = layout
    this.#onChange = handlers.onChange
    this.#onUnexpectedExit = handlers.onUnexpectedExit
  }

  isRunning(gateway: string): boolean {
    return this.#running.has(gateway)
  }

  /** Null when it doesn't run. */
  pidOf(gateway: string): number | null {
    return this.#running.get(gateway)?.pid ?? null
  }

  start(gateway: string): void {
    const layout = this.#layout.gateways.find(({ id }) => id === gateway)!
    const child = spawnGateway(layout, this.#layout.vpnFile)
    this.#running.set(gateway, child)
    child.on('exit', (_code, signal) => {
      if (this.#running.get(gateway) === child) this.#running.delete(gateway)
      this.#changed()
      if (!this.#expected.has(child)) this.#onUnexpectedExit(gateway, signal)
    })
    this.#changed()
  }

  /** SIGKILL, now; resolves when the process is gone. */
  async kill(gateway: string): Promise<void> {
    const child = this.#running.get(gateway)
    if (child === undefined) return
    this.#expected.add(child)
    signalChild(child, 'SIGKILL')
    this.#running.delete(gateway)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /** Also from a handler of the process's exit: waits for nothing. */
  killAllNow(): void {
    for (const child of this.#running.values()) {
      this.#expected.add(child)
      signalChild(child, 'SIGKILL')
    }
  }

  #changed(): void {
    this.#onChange([...this.#running.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])))
  }
}

function spawnGateway({ configFile, logFile }: GatewayLayout, vpnFile: string): ChildProcess {
  const log = openSync(logFile, 'a', 0o600)
  const args = [mainFile, 'serve', '--config', configFile, '--vpn', vpnFile]
  // A process group of its own: Ctrl-C is the demo's, which would else be answered by three drains.
  const child = spawn(process.execPath, args, { stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  return child
}
