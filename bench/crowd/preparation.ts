/**
 * Fills the stores of a cluster's first gateway with a crowd of sessions, in a process of its own. The log is Raft's own, of a group of one, with the
 * commands of a cluster that begins; the crowd's are applied to the state without it, and the gateway's checkpoint is written as it always is.
 *
 * On the way, whenever there are as many sessions as were asked about, it writes checkpoints with so many changes, and tells what they cost.
 */

import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { LevelStorage, MemoryNetwork, RaftServer } from '../../raft/index.ts'
import { Checkpoints } from '../../src/cli/serve/checkpoints.ts'
import { loadVpnFile } from '../../src/cli/serve/vpn-file.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { loadGatewayConfig } from '../../src/config/gateway-config.ts'
import type { GatewayConfig } from '../../src/config/gateway-config.ts'
import { readSealingKeys } from '../../src/config/secret-files.ts'
import { formatHostPort } from '../../src/config/gateway-words.ts'
import { encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { ownership } from '../../src/session/view.ts'
import type { LogMark } from '../../src/store/replicated-log.ts'
import { RaftLog } from '../../src/store/raft-log.ts'
import { Crowd, spiInOf } from './crowd.ts'

export interface Preparation {
  readonly layout: DemoLayout
  readonly sizes: readonly number[]
}

/** A checkpoint of `CHANGES` changed sessions, out of so many. */
export interface FromPreparation {
  readonly sessions: number
  readonly octets: number
  readonly records: number
  readonly seconds: number
  /** Of all threads of the process, LevelDB's too. */
  readonly cpuSeconds: number
}

/** Changed sessions of each checkpoint that is measured. */
export const CHANGES = 1000
const ROUNDS = 5
/** About what a gateway writes at once when many log in. All at once would be one record of LevelDB's log, with which it takes long to start. */
const SESSIONS_A_CHECKPOINT = 10_000
/** Commands are only counted here: a checkpoint is written when it is asked for. */
const NEVER = 1_000_000
const MEMBER = 'sg1'
const POLL_MS = 10

class Stores {
  readonly state: State = createState()
  readonly #log: RaftLog
  readonly #checkpoints: Checkpoints
  #written: { readonly octets: number; readonly records: number } = { octets: 0, records: 0 }
  #serial = 0

  static async open(config: GatewayConfig): Promise<Stores> {
    const owner = { cluster: config.cluster.name, server: config.gateway.id, onDamage: fail }
    const path = (name: string): string => join(config.gateway.dataDir, name)
    const storage = await LevelStorage.open({ path: path('raft'), appliedIndex: 0, ...owner })
    const holder: { stores: Stores | null } = { stores: null }
    const checkpoints = await Checkpoints.open({
      path: path('state'),
      everyCommands: NEVER,
      onWritten: (written) => void (holder.stores!.#written = written),
      ...owner,
    })
    const server = await RaftServer.open({
      id: MEMBER,
      members: { [MEMBER]: formatHostPort(config.cluster.members.get(MEMBER)!) },
      storage,
      transport: new MemoryNetwork().transport(MEMBER),
      random: systemRandom(),
      compactionTailOctets: 0,
      snapshots: { store: checkpoints.store, onInstalled: () => Promise.resolve() },
      onFatal: fail,
    })
    holder.stores = new Stores(new RaftLog(server), checkpoints)
    await checkpoints.restore(holder.stores.state)
    return holder.stores
  }

  private constructor(log: RaftLog, checkpoints: Checkpoints) {
    this.#log = log
    this.#checkpoints = checkpoints
    log.onCommitted((commands) => commands.forEach(({ command }) => apply(this.state, decodeCommand(command))))
  }

  /** It is elected by itself. */
  async leads(): Promise<void> {
    while (this.#log.status().role !== 'leader') await delay(POLL_MS)
  }

  /** Through the log. Resolves when it is applied. */
  async commit(command: Command): Promise<void> {
    await this.#log.append({ client: 1n, serial: ++this.#serial }, encodeCommand(command))
    await this.#log.barrier()
  }

  /** Writes what has changed. */
  async checkpoint(): Promise<Omit<FromPreparation, 'sessions'>> {
    const cpu = process.cpuUsage()
    const began = performance.now()
    this.#checkpoints.hurry()
    await new Promise<LogMark>((written, failed) => this.#checkpoints.maybeWrite(() => this.#log.mark(), written, failed)).then((mark) =>
      this.#log.trim(mark),
    )
    const { user, system } = process.cpuUsage(cpu)
    return { ...this.#written, seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 }
  }

  async close(): Promise<void> {
    await this.#log.close()
    await this.#checkpoints.close()
  }
}

async function prepare({ layout, sizes }: Preparation): Promise<void> {
  const config = checked(loadGatewayConfig(layout.gateways[0]!.configFile))
  const vpn = checked(loadVpnFile(layout.vpnFile))
  const keys = readSealingKeys(config.cluster.sealingKeyFile, process.env)
  const sealer = createSealer({ keys, cluster: config.cluster.name, random: systemRandom() })
  const stores = await Stores.open(config)
  const nowMs = Date.now()
  const up = { type: 'gateway-up', gateway: MEMBER, nonce: 1n, capacity: 1, addresses: [layout.natT.address], nowMs } as const
  await stores.leads()
  await stores.commit({ type: 'set-cluster-version', version: 2 })
  await stores.commit(up)
  await stores.commit({ type: 'put-vpn', expectedVersion: 0, configuration: encodeVpnConfiguration(vpn.seal(sealer)) })
  await fill(stores, crowdOf(layout, sealer, nowMs), sizes)
  await stores.close()
}

/** Not so long ago that anything is due. */
function crowdOf(layout: DemoLayout, sealer: Sealer, nowMs: number): Crowd {
  return new Crowd({ sealer, local: layout.natT, connection: 'calls', firstAtMs: nowMs - 900_000 })
}

async function fill(stores: Stores, crowd: Crowd, sizes: readonly number[]): Promise<void> {
  const random = new SeededRandom(3)
  let n = 0
  for (const sessions of sizes) {
    while (n < sessions) {
      for (const command of crowd.commandsOf(++n, 1)) taken(apply(stores.state, command).type)
      if (n % SESSIONS_A_CHECKPOINT === 0) await stores.checkpoint()
    }
    await stores.checkpoint()
    for (let round = 0; round < ROUNDS; round++) {
      const changed = Array.from({ length: CHANGES }, () => 1 + (random.uint32() % sessions))
      taken(apply(stores.state, grantsOf(stores.state, changed)).type)
      tell({ sessions, ...(await stores.checkpoint()) })
    }
  }
}

/** Their limits rise, as those of sessions with traffic do. */
function grantsOf(state: State, sessions: readonly number[]): Command {
  const grants = [...new Set(sessions)].map((session) => {
    const { epoch, serial } = ownership(state, session)!
    const child = { spiIn: spiInOf(session), ceiling: { wanted: 10_000 + serial, rate: 0 }, horizon: null }
    return { session, epoch, serial: serial + 1, packetsPerSecond: 50, remote: null, children: [child] }
  })
  return { type: 'advance', incarnation: 1, tick: 0, grants, renewals: [] }
}

function taken(type: string): void {
  if (type === 'refused') throw new Error('a command of the crowd was refused')
}

function checked<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly unknown[] }): T {
  if (!result.ok) throw new Error(`the files of the cluster: ${JSON.stringify(result.problems)}`)
  return result.value
}

function fail(error: Error): never {
  throw error
}

function tell(message: FromPreparation): void {
  process.send?.(message)
}

process.once('message', (preparation) => {
  void prepare(preparation as Preparation).then(() => process.disconnect?.())
})
