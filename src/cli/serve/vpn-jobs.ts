/**
 * What is done with VPN configurations on a thread of its own: checking, sealing, comparing and showing a large one takes seconds, and the
 * main thread, where Raft and IKE live, may be silent for some tens of milliseconds.
 */

import type { Problem, Warning } from '../../config/problem.ts'
import type { VpnFiles } from '../../config/vpn-config.ts'
import { parseVpn } from '../../config/vpn-config.ts'
import type { VpnDifferences } from '../../config/vpn-differences.ts'
import { isNoChange, vpnDifferences } from '../../config/vpn-differences.ts'
import { vpnDocument } from '../../config/vpn-document.ts'
import type { VpnConfiguration } from '../../context/vpn-configuration.ts'
import { emptyVpnConfiguration } from '../../context/vpn-configuration.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../context/vpn-configuration-codec.ts'
import { systemRandom } from '../../crypto/random.ts'
import { createSealer } from '../../crypto/sealer.ts'
import type { Bytes } from '../../kit/bytes.ts'
import type { Sealer } from '../../kit/sealer.ts'

/** `present`: the configuration in force, encoded; of no octets: there is none. `keys`: sealing keys, the present one first. */
export type VpnJob =
  /** A text that came over the network: it can name no files. */
  | { readonly type: 'check'; readonly text: string; readonly present: Bytes; readonly keys: readonly Bytes[]; readonly cluster: string }
  /** The text of a file of this machine, with the files beside it. */
  | {
      readonly type: 'compare'
      readonly text: string
      readonly path: string
      readonly present: Bytes
      readonly keys: readonly Bytes[]
      readonly cluster: string
    }
  | { readonly type: 'show'; readonly version: number; readonly present: Bytes }

export type VpnAnswer =
  | {
      readonly type: 'good'
      readonly configuration: Bytes
      readonly isSame: boolean
      readonly differences: VpnDifferences
      readonly warnings: readonly Warning[]
    }
  | { readonly type: 'bad'; readonly problems: readonly Problem[]; readonly count: number }
  | { readonly type: 'shown'; readonly json: string }

/** So many problems are told, and as many warnings. */
const MAX_TOLD = 100
/** Stands for the file in problems; callers leave it out. */
const BODY = 'body'

export function doVpnJob(job: VpnJob): VpnAnswer {
  const present = job.present.length === 0 ? emptyVpnConfiguration : decodeVpnConfiguration(job.present)
  if (job.type === 'show') return { type: 'shown', json: JSON.stringify({ version: job.version, ...vpnDocument(present) }) }
  const sealer = createSealer({ keys: job.keys, cluster: job.cluster, random: systemRandom() })
  const seal: Sealer['seal'] = (field, secret) => sealer.seal(field, secret)
  const checked = job.type === 'check' ? parseVpn(job.text, BODY, seal, contentOnly()) : parseVpn(job.text, job.path, seal)
  if (!checked.ok) return { type: 'bad', problems: checked.problems.slice(0, MAX_TOLD), count: checked.problems.length }
  return judge(present, checked.value, sealer, checked.warnings.slice(0, MAX_TOLD))
}

function judge(present: VpnConfiguration, next: VpnConfiguration, sealer: Sealer, warnings: readonly Warning[]): VpnAnswer {
  const differences = vpnDifferences(present, next, (field, sealed) => sealer.open(field, sealed))
  return {
    type: 'good',
    configuration: encodeVpnConfiguration(next),
    isSame: isNoChange(present, next, differences),
    differences,
    warnings,
  }
}

/** An operator's files and environment are not here, and a gateway's own are nobody's business. */
function contentOnly(): VpnFiles {
  const read = (): never => {
    throw new Error('a name: gateways read no files of operators. Put the content here, in PEM, as "evpc apply" does')
  }
  return { read, isRemote: true, nowMs: Date.now() }
}
