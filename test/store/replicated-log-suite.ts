/** What every replicated log must do. A factory makes a cluster of three; the same tests run on each. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProposalPriority } from '../../src/context/proposal-priority.ts'
import type { CommittedCommand, LogMark, ReplicatedLog } from '../../src/store/replicated-log.ts'

export interface LogCluster {
  readonly logs: readonly ReplicatedLog[]
  /** Lets the cluster work until `done` is settled. */
  readonly drive: <T>(done: Promise<T>) => Promise<T>
  /** Closes the log of the member, and opens it again as after a restart, from the mark or the beginning. */
  readonly restart: (index: number, from?: LogMark) => Promise<ReplicatedLog>
  readonly close: () => Promise<void>
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const client = 0xfedcba9876543210n

/** Gathers what a log delivers. */
export class Delivered {
  readonly commands: CommittedCommand[] = []
  #wake: (() => void)[] = []

  constructor(log: ReplicatedLog) {
    log.onCommitted((commands) => {
      this.commands.push(...commands)
      for (const wake of this.#wake.splice(0)) wake()
    })
  }

  async reach(count: number): Promise<void> {
    while (this.commands.length < count) await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  get texts(): string[] {
    return this.commands.map(({ command }) => Buffer.from(command).toString())
  }
}

/** Appends as a caller must: again, with the same id, until it is known to be committed. */
export async function appendUntilCommitted(
  log: ReplicatedLog,
  serial: number,
  text: string,
  by = client,
  priority?: ProposalPriority,
): Promise<void> {
  for (;;) {
    try {
      await log.append({ client: by, serial }, bytes(text), priority)
      return
    } catch (error) {
      const { code } = error as { code?: string }
      assert.ok(code === 'ERR_PROPOSAL_DROPPED' || code === 'ERR_OUTCOME_UNKNOWN', `unexpected ${String(error)}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

export function replicatedLogSuite(name: string, make: () => Promise<LogCluster>): void {
  const on = (title: string, body: (cluster: LogCluster) => Promise<void>): void => {
    test(`${name}: ${title}`, { timeout: 60_000 }, async () => {
      const cluster = await make()
      try {
        await body(cluster)
      } finally {
        await cluster.close()
      }
    })
  }

  on('every member delivers the same commands, with indexes that rise by one from 1', async ({ logs, drive }) => {
    const delivered = logs.map((log) => new Delivered(log))
    const appends = logs.map((log, member) =>
      [1, 2, 3, 4, 5].map((serial) => appendUntilCommitted(log, serial, `${member}.${serial}`, BigInt(member + 1))),
    )
    await drive(Promise.all(appends.flat()))
    await drive(Promise.all(delivered.map((each) => each.reach(15))))
    for (const each of delivered) assert.deepEqual(each.commands, delivered[0]!.commands)
    assert.deepEqual(
      delivered[0]!.commands.map(({ index }) => index),
      Array.from({ length: 15 }, (_, i) => i + 1),
    )
  })

  on('an append resolves only after its command was delivered here', async ({ logs, drive }) => {
    const delivered = new Delivered(logs[1]!)
    await drive(appendUntilCommitted(logs[1]!, 1, 'x'))
    assert.deepEqual(delivered.texts, ['x'])
  })

  on('a command that is appended twice is delivered once, and both appends resolve', async ({ logs, drive }) => {
    const delivered = logs.map((log) => new Delivered(log))
    await drive(Promise.all([appendUntilCommitted(logs[0]!, 1, 'once'), appendUntilCommitted(logs[2]!, 1, 'once')]))
    await drive(appendUntilCommitted(logs[1]!, 1, 'once'))
    await drive(appendUntilCommitted(logs[0]!, 2, 'end'))
    await drive(Promise.all(delivered.map((each) => each.reach(2))))
    for (const each of delivered) assert.deepEqual(each.texts, ['once', 'end'])
  })

  on('a barrier resolves once everything that was committed before has been delivered here', async ({ logs, drive }) => {
    const delivered = new Delivered(logs[2]!)
    for (const serial of [1, 2, 3]) await drive(appendUntilCommitted(logs[0]!, serial, `${serial}`))
    const index = await drive(logs[2]!.barrier())
    assert.equal(index, 3)
    assert.deepEqual(delivered.texts, ['1', '2', '3'])
  })

  on('a barrier puts nothing into the log', async ({ logs, drive }) => {
    await drive(appendUntilCommitted(logs[0]!, 1, 'x'))
    const commitIndex = async (): Promise<number> => {
      await drive(Promise.all(logs.map((log) => log.barrier())))
      return Math.max(...logs.map((log) => log.status().commitIndex))
    }
    const before = await commitIndex()
    for (let i = 0; i < 5; i++) assert.equal(await commitIndex(), before)
  })

  on('commands of every priority are committed', async ({ logs, drive }) => {
    const delivered = new Delivered(logs[0]!)
    const priorities = [2, 1, 0, 2, 1, 0] as const
    await drive(Promise.all(priorities.map((priority, i) => appendUntilCommitted(logs[1]!, i + 1, `${i}`, client, priority))))
    await drive(delivered.reach(priorities.length))
    assert.deepEqual(delivered.texts.toSorted(), ['0', '1', '2', '3', '4', '5'])
  })

  on('a member that restarts delivers everything again, under the same indexes', async ({ logs, drive, restart }) => {
    const before = new Delivered(logs[1]!)
    for (const serial of [1, 2, 3]) await drive(appendUntilCommitted(logs[1]!, serial, `${serial}`))
    const again = await restart(1)
    const after = new Delivered(again)
    await drive(appendUntilCommitted(again, 4, '4'))
    assert.deepEqual(after.commands.slice(0, 3), before.commands)
    assert.deepEqual(after.texts, ['1', '2', '3', '4'])
  })

  on('a member that restarts from a mark is delivered what follows it, and nothing twice', async ({ logs, drive, restart }) => {
    const before = new Delivered(logs[1]!)
    for (const serial of [1, 2, 4]) await drive(appendUntilCommitted(logs[1]!, serial, `${serial}`))
    const mark = logs[1]!.mark()
    logs[1]!.trim(mark)
    await drive(appendUntilCommitted(logs[1]!, 5, '5'))
    const again = await restart(1, mark)
    const after = new Delivered(again)
    for (const serial of [2, 3, 4, 6]) await drive(appendUntilCommitted(again, serial, `${serial}`))
    assert.deepEqual(after.texts, ['5', '3', '6'])
    assert.deepEqual(after.commands[0], before.commands[3])
  })

  on('what was committed before anyone listened is kept for the first listener', async ({ logs, drive }) => {
    await drive(appendUntilCommitted(logs[0]!, 1, 'early'))
    const delivered = new Delivered(logs[0]!)
    assert.deepEqual(delivered.texts, ['early'])
  })

  on('a closed log refuses appends, and the outcome of those that wait is unknown', async ({ logs }) => {
    const waiting = logs[0]!.append({ client, serial: 1 }, bytes('x'))
    const rejected = assert.rejects(waiting, { code: 'ERR_OUTCOME_UNKNOWN' })
    await logs[0]!.close()
    await rejected
    await assert.rejects(logs[0]!.append({ client, serial: 2 }, bytes('y')), { code: 'ERR_CLOSED' })
  })
}
