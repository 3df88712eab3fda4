/** The sealing keys of a gateway: read once when it starts, and again when the file changes. What the agreed state needs has to be among them. */

import type { GatewayConfig } from '../../config/gateway-config.ts'
import { readSealingKeys, sealingKeyVariable } from '../../config/secret-files.ts'
import { systemRandom } from '../../crypto/random.ts'
import { SealingKeys, sealingKeyId } from '../../crypto/sealer.ts'
import { CodedError } from '../../kit/errors.ts'
import type { SealingKeyId } from '../../kit/sealer.ts'
import { formatSealingKeyId } from '../../kit/sealer.ts'
import type { State } from '../../session/state.ts'

export class GatewaySealingKeys extends SealingKeys {
  readonly #file: string | null

  /** Throws `ERR_VALIDATION` for a file that is none of sealing keys. `state`: says which key is agreed on. */
  constructor({ cluster }: Pick<GatewayConfig, 'cluster'>, state: State) {
    const keys = readSealingKeys(cluster.sealingKeyFile, process.env)
    super({ keys, cluster: cluster.name, random: systemRandom(), agreed: () => state.sealing.current })
    this.#file = cluster.sealingKeyFile
  }

  /** Reads the file anew. Throws `ERR_VALIDATION` for one that can't be used, or lacks a key that is `needed`; then nothing changes. */
  reload(needed: ReadonlySet<SealingKeyId>): void {
    const keys = readSealingKeys(this.#file, process.env)
    const ids = keys.map(sealingKeyId)
    // Nor the one that seals, whether it is agreed on or not.
    const problem = this.#problem([...new Set([this.present, ...needed])].filter((id) => !ids.includes(id)))
    if (problem !== null) throw new CodedError('ERR_VALIDATION', problem)
    this.replace(keys)
  }

  /** Why this gateway can't carry what is sealed under the keys that are `needed`; null: it can. */
  problem(needed: ReadonlySet<SealingKeyId>): string | null {
    return this.#problem([...needed].filter((id) => !this.ids.includes(id)))
  }

  #problem(missing: readonly SealingKeyId[]): string | null {
    if (missing.length === 0) return null
    const where = this.#file ?? `the environment variable ${sealingKeyVariable}`
    const names = missing.map(formatSealingKeyId).join(' and ')
    return `${where} lacks the sealing key ${names}, under which the cluster has secrets; put ${missing.length === 1 ? 'it' : 'them'} back, as the other gateways have ${missing.length === 1 ? 'it' : 'them'}`
  }
}
