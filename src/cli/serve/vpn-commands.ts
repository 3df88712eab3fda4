/** The replicated VPN configuration as operators see and change it, at any gateway. */

import { setImmediate as turn } from 'node:timers/promises'
import type { VpnPutRequest, VpnSource } from '../../admin/vpn-routes.ts'
import { decodeVpnConfiguration } from '../../context/vpn-configuration-codec.ts'
import { nodeIkeCrypto } from '../../crypto/node-ike-crypto.ts'
import { monotonicMs } from '../../dataplane/clock.ts'
import { stillMatches } from '../../ike/session-match.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { CodedError } from '../../kit/errors.ts'
import type { Command } from '../../session/commands.ts'
import type { Result } from '../../session/results.ts'
import { establishedContexts } from '../../session/view.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { VpnThread } from './vpn-thread.ts'

export interface VpnCommandsOptions {
  readonly gateway: GatewayProcess
  /** So that what is compared here is not older than the question. */
  readonly barrier: () => Promise<unknown>
  readonly propose: (command: Command) => Promise<Result>
}

/** Sessions looked at in a turn of the event loop: a millisecond or so. */
const SESSIONS_A_TURN = 32
/** Who asks for a change waits so long for the number of sessions that it would end. */
const COUNT_MS = 2000

export class VpnCommands implements VpnSource {
  readonly #o: VpnCommandsOptions
  readonly #thread = new VpnThread()
  /** It is asked for more often than it changes. */
  #shown: { readonly version: number; readonly json: Promise<string> } | null = null

  constructor(options: VpnCommandsOptions) {
    this.#o = options
  }

  async vpn(): Promise<{ readonly version: number; readonly json: string }> {
    const { version, configuration } = this.#present
    const shown = this.#shown?.version === version ? this.#shown : { version, json: this.#show(version, configuration) }
    this.#shown = shown
    try {
      return { version, json: await shown.json }
    } catch (error) {
      if (this.#shown === shown) this.#shown = null
      throw error
    }
  }

  async #show(version: number, present: Bytes): Promise<string> {
    const answer = await this.#thread.do({ type: 'show', version, present })
    if (answer.type !== 'shown') throw new Error(`expected what is shown, got ${answer.type}`)
    return answer.json
  }

  async putVpn({ text, ifMatch, dryRun }: VpnPutRequest): ReturnType<VpnSource['putVpn']> {
    await this.#o.barrier()
    const { version, configuration: present } = this.#present
    const isMeant = ifMatch === null || (ifMatch === 'any' ? version !== 0 : ifMatch.includes(version))
    if (!isMeant) throw conflict(version)
    const { sealing, config } = this.#o.gateway
    const answer = await this.#thread.do({ type: 'check', text, present, keys: sealing.keys, cluster: config.cluster.name })
    if (answer.type === 'bad') {
      const errors = answer.problems.map(({ line, column, field, expected, got }) => ({ line, column, field, expected, got }))
      return { type: 'rejected', errors, errorCount: answer.count }
    }
    if (answer.type !== 'good') throw new Error(`expected a verdict, got ${answer.type}`)
    const { configuration, isSame, differences: changes } = answer
    const warnings = answer.warnings.map(({ line, column, field, text: words }) => ({ line, column, field, text: words }))
    const about = { type: 'done', previousVersion: version, changes, warnings } as const
    if (isSame) return { ...about, result: 'unchanged', version, sessionsEnding: 0 }
    const sessionsEnding = await this.#countEnding(configuration)
    if (dryRun) return { ...about, result: 'checked', version, sessionsEnding }
    const result = await this.#o.propose({ type: 'put-vpn', expectedVersion: version, configuration })
    if (result.type !== 'done') throw conflict(this.#present.version)
    return { ...about, result: 'applied', version: version + 1, sessionsEnding }
  }

  get #present(): { readonly version: number; readonly configuration: Bytes } {
    return this.#o.gateway.control.state.vpn
  }

  /** Of all gateways. Null: there are more than can be looked at in time. */
  async #countEnding(configuration: Bytes): Promise<number | null> {
    const env = { crypto: nodeIkeCrypto, vpn: decodeVpnConfiguration(configuration) }
    const endMs = monotonicMs() + COUNT_MS
    const { state } = this.#o.gateway.control
    let ending = 0
    for (let row = 0; row !== -1;) {
      const { contexts, next } = establishedContexts(state, row, SESSIONS_A_TURN)
      ending += contexts.filter((context) => !stillMatches(env, context)).length
      row = next
      await turn()
      if (monotonicMs() > endMs && row !== -1) return null
    }
    return ending
  }
}

function conflict(version: number): CodedError {
  return new CodedError('ERR_CONFLICT', `the configuration has version ${version}, which is not the one that this change was made for`)
}
