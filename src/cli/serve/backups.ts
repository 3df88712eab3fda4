/**
 * Backups of the running cluster, and their restoration: the configuration with its pools comes back, whoever had an address gets it again, and sessions
 * do not come back (config/backup-file.ts). Those that the cluster has end in order, unless they are to stay: their clients are told, and connect anew.
 */

import { setImmediate } from 'node:timers/promises'
import type { Restored } from '../../admin/source.ts'
import type { Assignment, Backup } from '../../config/backup-file.ts'
import { holderOf } from '../../context/holder.ts'
import { sealingKeysOf, secretField } from '../../context/sealed-parts.ts'
import type { SharedSecret } from '../../context/vpn-configuration.ts'
import { emptyVpnConfiguration } from '../../context/vpn-configuration.ts'
import { encodeVpnConfiguration } from '../../context/vpn-configuration-codec.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { CodedError } from '../../kit/errors.ts'
import type { Sealer, SealingKeyId } from '../../kit/sealer.ts'
import { sealedUnder } from '../../kit/sealer.ts'
import { MAX_RESERVED } from '../../session/claims.ts'
import type { Command } from '../../session/commands.ts'
import { MAX_RESERVED_AT_ONCE } from '../../session/commands.ts'
import type { Result } from '../../session/results.ts'
import type { State } from '../../session/state.ts'
import { ownership, scanSessions, sessionView } from '../../session/view.ts'
import { waitFor } from './patience.ts'

export interface BackupsOptions {
  readonly cluster: string
  readonly gateway: string
  readonly state: State
  readonly sealing: Sealer & { readonly present: SealingKeyId }
  readonly appliedIndex: () => number
  readonly propose: (command: Command) => Promise<Result>
  /** Asks the owner to tell the client and end it; what comes of it shows in the state, if the message arrives. */
  readonly terminate: (session: number) => void
}

/** Looked at without a pause. */
const ROWS = 256
/** Opened and sealed without a pause: some milliseconds. */
const SECRETS = 64
/** Waited for until sessions have ended; then it goes on without being waited for. */
const ENDING_MS = 5000
/** Asked again after so long: a message to an owner may be lost. */
const ASK_AGAIN_MS = 2000
/** Whom nothing reaches is dead by then (RFC 7296 §2.4). */
const GIVE_UP_MS = 240_000

/** Loaded when it is needed: the library that looks at values is a tenth of what a gateway's start takes. */
const backupFile = () => import('../../config/backup-file.ts')

export class Backups {
  readonly #o: BackupsOptions

  constructor(options: BackupsOptions) {
    this.#o = options
  }

  /** Lines of the file. Assignments are those of the time at which they are given: the cluster goes on meanwhile. */
  async *lines(): AsyncGenerator<string> {
    const { cluster, gateway, state, appliedIndex } = this.#o
    const { BackupWriter } = await backupFile()
    const writer = new BackupWriter()
    const { version: vpnVersion, configuration: vpn } = state.vpn
    yield writer.header({ cluster, gateway, index: appliedIndex(), time: new Date().toISOString(), vpnVersion, vpn })
    for (let row = 0; row !== -1;) {
      const { sessions, next } = scanSessions(state, row, ROWS)
      const assignments = sessions.flatMap(({ session }) => assignmentOf(state, session))
      if (assignments.length > 0) yield assignments.map((one) => writer.assignment(one)).join('')
      row = next
      await setImmediate()
    }
    yield writer.end()
  }

  async restore(body: AsyncIterable<Bytes>, keepSessions: boolean): Promise<Restored> {
    const { BackupReader } = await backupFile()
    const reader = new BackupReader()
    for await (const chunk of body) reader.add(chunk)
    const backup = reader.finish()
    const { cluster, state } = this.#o
    if (backup.cluster !== cluster)
      throw new CodedError(
        'ERR_VALIDATION',
        `the backup is of cluster ${backup.cluster}, and its secrets open nowhere else; this is ${cluster}`,
      )
    const vpn = await this.#underPresentKey(backup)
    if (state.clusterVersion < 2)
      throw new CodedError('ERR_CONFLICT', 'a gateway of an older build is a member; restore when all are upgraded')
    const addresses = await this.#reserve(backup.assignments)
    const result = await this.#o.propose({ type: 'put-vpn', expectedVersion: state.vpn.version, configuration: vpn })
    if (result.type === 'refused') throw new CodedError('ERR_CONFLICT', 'somebody else has changed the configuration meanwhile; try again')
    const until = state.nextSession
    const sessions = keepSessions ? 0 : await this.#endSessions(until)
    return { vpnVersion: state.vpn.version, time: backup.time, addresses, sessionsEnding: sessions }
  }

  /** The encoded configuration. Before anything is changed: what no gateway can open would let nobody in. */
  async #underPresentKey({ configuration, vpn }: Backup): Promise<Bytes> {
    const { sealing } = this.#o
    const secrets: SharedSecret[] = []
    const shut: SharedSecret[] = []
    for (const [i, one] of configuration.secrets.entries()) {
      const field = secretField(one.name)
      const plaintext = sealing.open(field, one.secret)
      if (plaintext === null) shut.push(one)
      else if (sealedUnder(one.secret) === sealing.present) secrets.push(one)
      else secrets.push({ ...one, secret: sealing.seal(field, plaintext) })
      if (i % SECRETS === SECRETS - 1) await setImmediate()
    }
    if (shut.length > 0) throw new CodedError('ERR_VALIDATION', problemOf(shut, configuration.secrets.length))
    const isSame = secrets.every((one, i) => one === configuration.secrets[i])
    return isSame ? vpn : encodeVpnConfiguration({ ...configuration, secrets })
  }

  async #reserve(assignments: readonly Assignment[]): Promise<number> {
    const addresses = assignments
      .flatMap(({ holder, addresses: his }) => his.map((address) => ({ address, holder })))
      .slice(0, MAX_RESERVED)
    for (let at = 0; at < addresses.length; at += MAX_RESERVED_AT_ONCE) {
      const some = addresses.slice(at, at + MAX_RESERVED_AT_ONCE)
      await this.#o.propose({ type: 'reserve-addresses', nowMs: Date.now(), addresses: some })
    }
    return addresses.length
  }

  /** Of those below `until`; returns how many have not ended yet when it has been waited for long enough, and goes on with them. */
  async #endSessions(until: number): Promise<number> {
    const ending = this.#untilEnded(this.#established(until))
    const timer = new Promise<void>((resolve) => {
      const timeout = setTimeout(resolve, ENDING_MS)
      void ending.finally(() => clearTimeout(timeout))
    })
    await Promise.race([ending, timer])
    return this.#established(until).length
  }

  /** What has ended is not looked at again: there may be very many. */
  async #untilEnded(left: number[]): Promise<void> {
    const isEnded = (session: number): boolean => ownership(this.#o.state, session)?.phase !== 'established'
    const haveEnded = (): true | null => {
      while (left.length > 0 && isEnded(left.at(-1)!)) left.pop()
      return left.length === 0 ? true : null
    }
    for (let waited = 0; waited <= GIVE_UP_MS; waited += ASK_AGAIN_MS) {
      for (const [i, session] of left.entries()) {
        if (!isEnded(session)) this.#o.terminate(session)
        if (i % ROWS === ROWS - 1) await setImmediate()
      }
      if ((await waitFor(ASK_AGAIN_MS, haveEnded)) !== null) return
    }
  }

  #established(until: number): number[] {
    const found: number[] = []
    for (let row = 0; row !== -1;) {
      const { sessions, next } = scanSessions(this.#o.state, row, ROWS)
      found.push(...sessions.filter(({ session, phase }) => session < until && phase === 'established').map(({ session }) => session))
      row = next
    }
    return found
  }
}

function problemOf(shut: readonly SharedSecret[], all: number): string {
  const names = shut.slice(0, 3).map(({ name }) => name)
  const keys = sealingKeysOf({ ...emptyVpnConfiguration, secrets: shut }).join(' and ')
  const which = `${shut.length} of ${all} secrets (${names.join(', ')}${shut.length > 3 ? ', …' : ''})`
  return `${which} were sealed by another key than this gateway has: ${keys}; add its line to the file of the sealing keys until it is done`
}

function assignmentOf(state: State, session: number): Assignment[] {
  const context = sessionView(state, session)!.context
  const holder = holderOf(context)
  return holder === null || context.virtualIps.length === 0 ? [] : [{ holder, addresses: context.virtualIps }]
}
