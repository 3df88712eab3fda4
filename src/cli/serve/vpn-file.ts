/**
 * The file of `evpc serve --vpn`: what a new cluster begins with. A cluster that has a configuration keeps it, whatever a gateway that is
 * started again brings along: otherwise one old file on one machine would undo what was applied to all. The log says so where they differ.
 */

import { readConfigFile } from '../../config/gateway-config.ts'
import type { Checked } from '../../config/problem.ts'
import { parseVpn } from '../../config/vpn-config.ts'
import type { CountedChanges, NamedChanges, VpnDifferences } from '../../config/vpn-differences.ts'
import type { VpnConfiguration } from '../../context/vpn-configuration.ts'
import type { Bytes } from '../../kit/bytes.ts'
import type { Sealer } from '../../kit/sealer.ts'
import { messageOf } from '../failure.ts'
import type { EventLog } from './logging/event-log.ts'
import { VpnThread } from './vpn-thread.ts'

export interface VpnFile {
  readonly path: string
  readonly text: string
  /** Its secrets sealed: they are once the sealing key has been read. */
  readonly seal: (sealer: Sealer) => VpnConfiguration
}

/** Reads and checks the file. */
export function loadVpnFile(path: string): Checked<VpnFile> {
  const text = readConfigFile(path)
  if (!text.ok) return text
  const parse = (sealer: Sealer | null): Checked<VpnConfiguration> =>
    parseVpn(text.value, path, (field, secret) => (sealer === null ? secret : sealer.seal(field, secret)))
  const checked = parse(null)
  if (!checked.ok) return checked
  const seal = (sealer: Sealer): VpnConfiguration => {
    const sealed = parse(sealer)
    if (!sealed.ok) throw new Error(`what ${path} refers to changed while it was being read`)
    return sealed.value
  }
  return { ok: true, warnings: checked.warnings, value: { path, text: text.value, seal } }
}

/** Says whether the file is what is in force. */
export async function compareVpnFile(
  { path, text }: VpnFile,
  inForce: { readonly version: number; readonly configuration: Bytes },
  sealing: { readonly keys: readonly Bytes[]; readonly cluster: string },
  logger: Pick<EventLog, 'write'>,
): Promise<void> {
  const { version, configuration: present } = inForce
  try {
    const answer = await new VpnThread().do({ type: 'compare', text, path, present, ...sealing })
    if (answer.type !== 'good') throw new Error(`${path} or what it refers to changed while it was being read`)
    if (answer.isSame) logger.write('vpn-file-in-force', { file: path, version, use: 'it is the configuration in force' })
    else {
      const what = `ignored: the cluster has version ${version} of its configuration, which differs; "evpc apply -f" replaces that`
      logger.write('vpn-file', { file: path, version, use: what, differences: inWords(answer.differences) })
    }
  } catch (error) {
    logger.write('vpn-file', { file: path, version, use: 'ignored: the cluster has a configuration', error: messageOf(error) })
  }
}

type Names = readonly (string | { readonly name: string })[]

/** `connections added rw`, `secrets changed 2`. */
function inWords(differences: VpnDifferences): readonly string[] {
  return Object.entries(differences).flatMap(([section, changes]) =>
    Object.entries(changes as NamedChanges | CountedChanges).flatMap(([how, which]: readonly [string, number | Names]) => {
      if (typeof which === 'number') return which === 0 ? [] : [`${section} ${how} ${which}`]
      const names = which.map((one) => (typeof one === 'string' ? one : one.name))
      return names.length === 0 ? [] : [`${section} ${how} ${names.join(' ')}`]
    }),
  )
}
