/**
 * A wall clock of its own for every machine: libfaketime adds what a file says to what the gateway's process asks the system for, and reads the file again every second.
 * The machine's own clock stays, and so do monotonic ones: by those gateways time one another.
 */

import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GatewayId } from '../lab/network.ts'

/** Debian's. */
export const LIBFAKETIME = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`

export class Clocks {
  readonly #folder: string
  readonly #offsetsMs = new Map<GatewayId, number>()

  static async make(folder: string, machines: readonly GatewayId[]): Promise<Clocks> {
    const clocks = new Clocks(folder)
    for (const machine of machines) await clocks.step(machine, 0)
    return clocks
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** What starts the command with that clock. libfaketime leaves memory behind when it is killed: it gets memory that nobody else sees, and that goes with it. */
  wrap(machine: GatewayId, command: readonly string[]): string[] {
    const environment = [
      `LD_PRELOAD=${LIBFAKETIME}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#file(machine)}`,
      'FAKETIME_CACHE_DURATION=1',
      'FAKETIME_DONT_FAKE_MONOTONIC=1',
    ]
    // `ip netns exec` has made a mount namespace for it.
    return ['sh', '-c', 'mount -t tmpfs evpc-kill /dev/shm && exec env "$@"', 'sh', ...environment, ...command]
  }

  /** From where it is. */
  async step(machine: GatewayId, stepMs: number): Promise<void> {
    await this.#set(machine, (this.#offsetsMs.get(machine) ?? 0) + stepMs)
  }

  async setRight(): Promise<void> {
    for (const machine of this.#offsetsMs.keys()) await this.#set(machine, 0)
  }

  async #set(machine: GatewayId, offsetMs: number): Promise<void> {
    this.#offsetsMs.set(machine, offsetMs)
    // Whole: it may be read at any moment.
    const file = this.#file(machine)
    await writeFile(`${file}.new`, `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1000).toFixed(3)}\n`)
    await rename(`${file}.new`, file)
  }

  #file(machine: GatewayId): string {
    return join(this.#folder, `${machine}.clock`)
  }
}
