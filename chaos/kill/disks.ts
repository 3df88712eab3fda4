/** A file system of its own for every machine, in a file: it can be made to hang, or to be full, and nothing else of this machine is. */

import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { GatewayId } from '../lab/network.ts'
import { attempt, run } from '../lab/processes.ts'
import type { Undo } from '../lab/undo.ts'

/** Files here are memory: syncing six disks that are one would take a gateway hundreds of ms at times, which says nothing about gateways. */
const MEMORY = '/dev/shm'
/** As ext4 goes with room for a gateway's log and checkpoints of some minutes. */
const DISK_OCTETS = 96 * 2 ** 20
/** Of a full disk the system keeps nothing for root. */
const mkfs = ['mkfs.ext4', '-q', '-m', '0']

export class Disks {
  readonly #folder: string
  readonly #images: string
  readonly #hung = new Set<GatewayId>()

  /** Makes and mounts one for each machine, in `folder`. */
  static async make(folder: string, machines: readonly GatewayId[], undo: Undo): Promise<Disks> {
    const images = (await stat(MEMORY).catch(() => null)) === null ? folder : await mkdtemp(join(MEMORY, 'evpc-kill-'))
    if (images !== folder) undo.add(images, async () => rm(images, { recursive: true }))
    const disks = new Disks(folder, images)
    for (const machine of machines) await disks.#make(machine, undo)
    return disks
  }

  private constructor(folder: string, images: string) {
    this.#folder = folder
    this.#images = images
  }

  /** Where it is mounted. */
  pathOf(machine: GatewayId): string {
    return join(this.#folder, `${machine}-disk`)
  }

  /** Whatever writes to it waits. */
  async hang(machine: GatewayId): Promise<void> {
    this.#hung.add(machine)
    await run(['fsfreeze', '-f', this.pathOf(machine)])
  }

  async thaw(machine: GatewayId): Promise<void> {
    await run(['fsfreeze', '-u', this.pathOf(machine)])
    this.#hung.delete(machine)
  }

  async thawAll(): Promise<void> {
    for (const machine of this.#hung) await attempt(['fsfreeze', '-u', this.pathOf(machine)])
    this.#hung.clear()
  }

  /** Takes all the room that is left; it may take several files, since the gateway frees some meanwhile. */
  async fill(machine: GatewayId): Promise<void> {
    // It ends when there is no room left, which dd calls a failure.
    await attempt(['dd', 'if=/dev/zero', `of=${this.#filler(machine)}`, 'bs=64k', 'oflag=append', 'conv=notrunc'])
  }

  async makeRoom(machine: GatewayId): Promise<void> {
    await rm(this.#filler(machine), { force: true })
  }

  #filler(machine: GatewayId): string {
    return join(this.pathOf(machine), 'filler')
  }

  async #make(machine: GatewayId, undo: Undo): Promise<void> {
    const image = join(this.#images, `${machine}.image`)
    const path = this.pathOf(machine)
    await mkdir(path, { recursive: true })
    await (await open(image, 'w')).close()
    await truncate(image, DISK_OCTETS)
    await run([...mkfs, image])
    await run(['mount', '-o', 'loop', image, path])
    // Also when the process ends before it could take everything away: a file system that hangs stops whoever looks at it.
    const takeAway = (): void => {
      spawnSync('fsfreeze', ['-u', path])
      spawnSync('umount', ['-l', path])
    }
    process.once('exit', takeAway)
    undo.add(`disk of ${machine}`, async () => {
      await attempt(['fsfreeze', '-u', path])
      await run(['umount', path])
      process.off('exit', takeAway)
      await rm(image)
    })
  }
}
