import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { Checkpoints } from '../../../src/cli/serve/checkpoints.ts'
import type { WrittenCheckpoint } from '../../../src/cli/serve/observations.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { apply } from '../../../src/session/apply.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import type { LogMark } from '../../../src/store/replicated-log.ts'
import { anyCommand } from '../../support/random-commands.ts'
import { inFolder } from '../../support/folder.ts'

const everyCommands = 100
const markOf = (index: number): LogMark => ({ index, term: 3, configuration: Uint8Array.of(1), position: Uint8Array.of(2) })

/** A gateway's state and its folder, the log index being the number of commands applied. */
class Gateway {
  readonly state = createState()
  readonly checkpoints: Checkpoints
  readonly written: number[] = []
  readonly failures: unknown[] = []
  readonly told: readonly WrittenCheckpoint[]
  readonly #random: SeededRandom
  readonly #spis = { ike: 1n, child: 256 }

  constructor(checkpoints: Checkpoints, seed: number, told: readonly WrittenCheckpoint[]) {
    this.checkpoints = checkpoints
    this.told = told
    this.#random = new SeededRandom(seed)
  }

  static async open(folder: string, server: string, seed: number): Promise<Gateway> {
    const onDamage = (error: unknown): void => assert.fail(String(error))
    const told: WrittenCheckpoint[] = []
    const onWritten = (written: WrittenCheckpoint): void => void told.push(written)
    const checkpoints = await Checkpoints.open({ path: join(folder, server), cluster: 'paris', server, everyCommands, onDamage, onWritten })
    const gateway = new Gateway(checkpoints, seed, told)
    await checkpoints.restore(gateway.state)
    return gateway
  }

  applyMany(count: number): void {
    for (let i = 0; i < count; i++) {
      apply(this.state, anyCommand(this.state, this.#random, this.#spis))
      this.checkpoints.applied(100)
    }
  }

  maybeWrite(): void {
    this.checkpoints.maybeWrite(
      () => markOf(this.state.applied),
      ({ index }) => this.written.push(index),
      (error) => this.failures.push(error),
    )
  }

  async writeOne(): Promise<void> {
    const before = this.written.length
    this.applyMany(everyCommands)
    this.maybeWrite()
    while (this.written.length === before && this.failures.length === 0) await setImmediate()
    assert.deepEqual(this.failures, [])
  }

  /** What the folder holds, looked at after the end. */
  async reopened(folder: string, server: string): Promise<State> {
    await this.checkpoints.close()
    const again = await Gateway.open(folder, server, 0)
    await again.checkpoints.close()
    return again.state
  }
}

/** The leader's latest checkpoint takes the place of what `to` has on disk. */
async function installSnapshot(from: Gateway, to: Gateway): Promise<void> {
  const outgoing = await from.checkpoints.store.read()
  const incoming = await to.checkpoints.store.receive(outgoing.mark)
  for (let chunk = await outgoing.next(); chunk !== null; chunk = await outgoing.next()) await incoming.write(chunk)
  await incoming.finish()
  await outgoing.close()
}

test('each checkpoint is told of with its size, and writes only what changed', () =>
  inFolder(async (folder) => {
    const gateway = await Gateway.open(folder, 'sg1', 1)
    await gateway.writeOne()
    for (let i = 0; i < everyCommands; i++) gateway.checkpoints.applied(1)
    gateway.maybeWrite()
    while (gateway.written.length < 2) await setImmediate()
    await gateway.checkpoints.close()
    const [first, second] = gateway.told
    assert.equal(gateway.told.length, 2)
    assert.ok(first!.records > second!.records && first!.octets > second!.octets, JSON.stringify(gateway.told))
    assert.ok(first!.octets > first!.records && first!.seconds > 0)
  }))

test('a checkpoint that is due while a snapshot waits to be restored is not written, and no failure', () =>
  inFolder(async (folder) => {
    const [leader, follower] = [await Gateway.open(folder, 'sg1', 1), await Gateway.open(folder, 'sg2', 2)]
    await leader.writeOne()
    await follower.writeOne()
    await installSnapshot(leader, follower)

    follower.applyMany(2 * everyCommands)
    follower.maybeWrite()
    await setImmediate()
    await follower.checkpoints.restore(follower.state)
    assert.deepEqual({ written: follower.written, failures: follower.failures }, { written: [everyCommands], failures: [] })
    assert.equal(follower.state.historyHash, leader.state.historyHash)

    await follower.writeOne()
    const { historyHash } = follower.state
    assert.equal((await follower.reopened(folder, 'sg2')).historyHash, historyHash)
    await leader.checkpoints.close()
  }))

test('a snapshot that takes the place of a checkpoint under way ends it or comes after it, and no failure of the disk is told', () =>
  inFolder(async (folder) => {
    const [leader, follower] = [await Gateway.open(folder, 'sg1', 3), await Gateway.open(folder, 'sg2', 4)]
    await leader.writeOne()
    await follower.writeOne()
    follower.applyMany(10 * everyCommands)
    follower.maybeWrite()
    await installSnapshot(leader, follower)
    await follower.checkpoints.restore(follower.state)
    assert.deepEqual(follower.failures, [])
    await follower.writeOne()
    const { historyHash, applied } = follower.state
    const reopened = await follower.reopened(folder, 'sg2')
    assert.deepEqual({ hash: reopened.historyHash, applied: reopened.applied }, { hash: historyHash, applied })
    await leader.checkpoints.close()
  }))
