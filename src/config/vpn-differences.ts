/**
 * What tells two VPN configurations apart, in the words of vpn.yaml. Secrets are opened for it, and nothing but how many differ leaves:
 * sealed again they look different each time. Certificates are compared by their content, not by the names of files.
 */

import { secretField } from '../context/sealed-parts.ts'
import type { SharedSecret, VpnConfiguration } from '../context/vpn-configuration.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { connectionDocument, digest, poolDocument } from './vpn-document.ts'

/** Opens a secret that was sealed for a field, as `Sealer.open` does. */
export type OpenSecret = (field: string, sealed: Bytes) => Bytes | null

/** Of what has a name: `fields` are paths such as `children.net.local_ts`. */
export interface NamedChanges {
  readonly added: readonly string[]
  readonly changed: readonly { readonly name: string; readonly fields: readonly string[] }[]
  readonly removed: readonly string[]
}

export interface CountedChanges {
  readonly added: number
  readonly changed: number
  readonly removed: number
}

export interface VpnDifferences {
  readonly connections: NamedChanges
  readonly pools: NamedChanges
  readonly secrets: CountedChanges
  /** Authorities and certificates of the cluster's own; changed: with other revocation lists, or another chain. */
  readonly certificates: CountedChanges
}

export function vpnDifferences(before: VpnConfiguration, after: VpnConfiguration, open: OpenSecret): VpnDifferences {
  const connections = (vpn: VpnConfiguration) => vpn.connections.map((one) => [one.name, connectionDocument(vpn, one)] as const)
  const pools = (vpn: VpnConfiguration) => vpn.pools.map((one) => [one.name, poolDocument(one)] as const)
  return {
    connections: namedChanges(connections(before), connections(after)),
    pools: namedChanges(pools(before), pools(after)),
    secrets: counted(byName(before.secrets), byName(after.secrets), (a, b) => isSameSecret(a, b, open)),
    certificates: counted(contents(before), contents(after), (a, b) => a === b),
  }
}

/** Whether putting the one in the place of the other would change nothing. */
export function isSameVpn(before: VpnConfiguration, after: VpnConfiguration, open: OpenSecret): boolean {
  return isNoChange(before, after, vpnDifferences(before, after, open))
}

/** The same, where the differences are known. The order of connections counts, too: the first that fits is taken. */
export function isNoChange(before: VpnConfiguration, after: VpnConfiguration, differences: VpnDifferences): boolean {
  const { connections, pools, secrets, certificates } = differences
  const isQuiet = ({ added, changed, removed }: NamedChanges): boolean => added.length + changed.length + removed.length === 0
  const isStill = ({ added, changed, removed }: CountedChanges): boolean => added + changed + removed === 0
  const names = (vpn: VpnConfiguration): string => JSON.stringify(vpn.connections.map(({ name }) => name))
  return isQuiet(connections) && isQuiet(pools) && isStill(secrets) && isStill(certificates) && names(before) === names(after)
}

type Documents = readonly (readonly [name: string, document: object])[]

function namedChanges(before: Documents, after: Documents): NamedChanges {
  const old = new Map(before)
  const now = new Map(after)
  const changed = after.flatMap(([name, document]) => {
    const earlier = old.get(name)
    const fields = earlier === undefined ? [] : changedFields(earlier, document, '')
    return fields.length === 0 ? [] : [{ name, fields }]
  })
  return {
    added: after.flatMap(([name]) => (old.has(name) ? [] : [name])),
    changed,
    removed: before.flatMap(([name]) => (now.has(name) ? [] : [name])),
  }
}

/** The paths at which two documents differ; lists are compared as a whole, order included. */
function changedFields(before: unknown, after: unknown, path: string): string[] {
  if (!isMap(before) || !isMap(after)) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => changedFields(before[key], after[key], path === '' ? key : `${path}.${key}`))
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function counted<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>, isSame: (a: T, b: T) => boolean): CountedChanges {
  let added = 0
  let changed = 0
  for (const [name, one] of after) {
    const earlier = before.get(name)
    if (earlier === undefined) added += 1
    else if (!isSame(earlier, one)) changed += 1
  }
  return { added, changed, removed: [...before.keys()].filter((name) => !after.has(name)).length }
}

function byName(secrets: readonly SharedSecret[]): ReadonlyMap<string, SharedSecret> {
  return new Map(secrets.map((one) => [one.name, one]))
}

/** One that can't be opened is another one. */
function isSameSecret(a: SharedSecret, b: SharedSecret, open: OpenSecret): boolean {
  if (a.ids.join('\0') !== b.ids.join('\0')) return false
  const field = secretField(a.name)
  const [one, other] = [open(field, a.secret), open(field, b.secret)]
  return one !== null && other !== null && equalBytes(one, other)
}

/** By the certificate's digest: what comes with it. */
function contents({ certificates, authorities }: VpnConfiguration): ReadonlyMap<string, string> {
  return new Map([
    ...certificates.map(({ chain }) => [`own ${digest(chain[0]!)}`, chain.map(digest).join()] as const),
    ...authorities.map(({ certificate, crls }) => [`authority ${digest(certificate)}`, crls.map(digest).join()] as const),
  ])
}
