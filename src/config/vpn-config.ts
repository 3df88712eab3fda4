/**
 * vpn.yaml: connections, pools and secrets in the words of swanctl.conf. vpn-shape.ts has the keys, proposals.ts the algorithms,
 * vpn-credentials.ts reads the files of certificates; here are the rules that tie keys together, and the value that the cluster replicates. Secrets leave this file sealed.
 */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { formatRange, rangeContains, selectorOfRange } from '../context/address.ts'
import { isUserSecret, secretField } from '../context/sealed-parts.ts'
import { configurationLimits, encodeVpnConfiguration } from '../context/vpn-configuration-codec.ts'
import type { ConnectionConfiguration, PoolConfiguration, SharedSecret, VpnConfiguration } from '../context/vpn-configuration.ts'
import { compareBytes } from '../kit/bytes.ts'
import type { Bytes } from '../kit/bytes.ts'
import { sealUserSecret, userSecretsAreGood } from './eap-secrets.ts'
import { readConfigFile } from './gateway-config.ts'
import { childLifetimes, ikeLifetimes, lifetimesFit } from './lifetimes.ts'
import type { Credentials } from './vpn-credentials.ts'
import { readCredentials } from './vpn-credentials.ts'
import type { Checked } from './problem.ts'
import { closestName } from './problem.ts'
import type { ReadFile, SecretSources } from './secret-shape.ts'
import { isIkeSecret } from './secret-shape.ts'
import { vpnFields } from './vpn-shape.ts'
import type { VpnFile } from './vpn-shape.ts'
import type { Place, Shape } from './yaml-shape.ts'
import { checkYaml, partialObject, placeOf, quote, reject, warn } from './yaml-shape.ts'

/** Seals a secret for a field, as `Sealer.seal` does; the field is `secret/<name>`, or `nt-hash/<name>` for a user's. */
export type SealSecret = (field: string, plaintext: Bytes) => Bytes

export interface VpnFiles {
  /** Reads the files of certificates, keys and secrets. */
  readonly read: ReadFile
  /** Where `secret_env` looks; without it nothing is set. */
  readonly environment?: SecretSources['environment']
  /** The text is of somebody whose files and environment are not here. */
  readonly isRemote?: boolean
  /** What their times are compared with: wall-clock ms. */
  readonly nowMs: number
}

/** The most octets of a vpn.yaml: with everything in it, and certificates in PEM, it is about half as long again as what is replicated. */
export const maximumVpnOctets = 8 * 2 ** 20

/** Reads and checks the file at `path`. A file that cannot be read is a problem like the others. */
export function loadVpn(path: string, seal: SealSecret): Checked<VpnConfiguration> {
  const content = readConfigFile(path)
  return content.ok ? parseVpn(content.value, path, seal) : content
}

/**
 * Checks the content of a vpn.yaml. `file` names it in problems; no problem repeats a secret. Files that it names are relative to its folder,
 * unless `files` reads them otherwise.
 */
export function parseVpn(content: string, file: string, seal: SealSecret, files: VpnFiles = filesBeside(file)): Checked<VpnConfiguration> {
  return checkYaml(content, file, vpnShape(seal, files), maximumVpnOctets)
}

/** Files relative to that of vpn.yaml, and the environment of this process. */
export function filesBeside(file: string): VpnFiles & Pick<SecretSources, 'environment'> {
  const folder = dirname(resolve(file))
  return { read: (name) => new Uint8Array(readFileSync(resolve(folder, name))), environment: process.env, nowMs: Date.now() }
}

function vpnShape(seal: SealSecret, files: VpnFiles): Shape<VpnConfiguration> {
  const shape = partialObject(vpnFields({ read: files.read, environment: files.environment ?? {}, isRemote: files.isRemote ?? false }))
  return (top) => {
    const read = shape(top)
    if (read === undefined) return undefined
    poolsExist(read.value, top)
    poolsDoNotOverlap(read.value, top)
    secretsSuffice(read.value, top)
    if (read.value.secrets !== undefined) userSecretsAreGood(read.value.secrets, top)
    warnOfSharedProof(read.value, top)
    countsFit(read.value, top)
    for (const [name, one] of read.value.connections ?? []) connectionLifetimesFit(one, placeOf(top, 'connections', name))
    const credentials = readCredentials(read.value, top, files)
    if (!read.complete || top.source.problems.length > 0) return undefined
    const vpn = finish(read.value as VpnFile, credentials, seal)
    const { length } = encodeVpnConfiguration(vpn)
    const { octets } = configurationLimits
    return length <= octets ? vpn : reject(top, `at most ${octets} octets with all certificates and revocation lists`, `${length}`)
  }
}

function finish(file: VpnFile, credentials: Credentials, seal: SealSecret): VpnConfiguration {
  const connections = [...file.connections].map(([name, connection]): ConnectionConfiguration => {
    const children = [...connection.children].map(([childName, child]) => {
      const localTs = child.local_ts.map(selectorOfRange)
      return { name: childName, localTs, espProposals: child.esp_proposals, lifetimes: childLifetimes(child) }
    })
    const { pools, unique, childless, fragmentation, mobike, proposals: ikeProposals } = connection
    const local = { ...connection.local, certs: connection.local.certs.map((one) => credentials.certificateOf.get(one)!) }
    const remote = { ...connection.remote, cacerts: connection.remote.cacerts.map((one) => credentials.authorityOf.get(one)!) }
    const lifetimes = ikeLifetimes(connection)
    return { name, ikeProposals, pools, local, remote, children, unique, childless, fragmentation, mobike, lifetimes }
  })
  const pools = [...file.pools].map(([name, pool]): PoolConfiguration => {
    const { addrs, dns, nbns, subnet, domains } = pool
    return { name, ranges: addrs, dns, nbns, subnets: subnet, domains }
  })
  const secrets = [...file.secrets].map(([name, entry]): SharedSecret => {
    if (entry.type === 'key') return { name, ids: [], secret: seal(secretField(name), credentials.keys.get(name)!) }
    if (isUserSecret(name)) return sealUserSecret(name, entry, seal)
    return { name, ids: entry.ids, secret: seal(secretField(name), entry.secret) }
  })
  const { certificates, authorities } = credentials
  return { connections, pools, secrets, certificates, authorities }
}

function connectionLifetimesFit(connection: VpnFile['connections'] extends ReadonlyMap<string, infer T> ? T : never, at: Place): void {
  lifetimesFit(connection, at)
  for (const [name, child] of connection.children) lifetimesFit(child, placeOf(at, 'children', name))
}

function poolsExist({ connections, pools }: Partial<VpnFile>, top: Place): void {
  if (connections === undefined || pools === undefined) return
  const known = [...pools.keys()]
  for (const [name, connection] of connections) {
    for (const pool of connection.pools) {
      if (pools.has(pool)) continue
      const meant = closestName(pool, known)
      const got = meant === null ? quote(pool) : `${quote(pool)} (did you mean ${meant}?)`
      reject(placeOf(top, 'connections', name, 'pools'), 'the name of a pool of this file', got)
    }
  }
}

/** One address belongs to one session, whichever pool it came from. Sorted by their starts, ranges that overlap are neighbours. */
function poolsDoNotOverlap({ pools }: Partial<VpnFile>, top: Place): void {
  const ranges = [...(pools ?? [])].flatMap(([pool, { addrs }], order) => addrs.map((range) => ({ pool, order, range })))
  ranges.sort((a, b) => a.range.start.length - b.range.start.length || compareBytes(a.range.start, b.range.start))
  let furthest = ranges[0]
  for (const next of ranges.slice(1)) {
    if (furthest !== undefined && rangeContains(furthest.range, next.range.start)) {
      const [first, second] = furthest.order <= next.order ? [furthest, next] : [next, furthest]
      const at = placeOf(top, 'pools', second.pool, 'addrs')
      reject(at, 'ranges without an address in common', `${formatRange(second.range)}, which shares addresses with pool ${first.pool}`)
    }
    const sameFamily = furthest?.range.end.length === next.range.end.length
    if (furthest === undefined || !sameFamily || compareBytes(next.range.end, furthest.range.end) > 0) furthest = next
  }
}

function secretsSuffice({ connections, secrets }: Partial<VpnFile>, top: Place): void {
  if (connections === undefined || secrets === undefined) return
  const names = [...secrets.keys()]
  const auths = [...connections.values()].flatMap(({ local, remote }) => [local.auth, remote.auth])
  const wants = (auth: string, isOf: (name: string) => boolean, what: string): void => {
    if (auths.some((one) => one === auth) && !names.some(isOf)) reject(placeOf(top, 'secrets'), what, 'none')
  }
  wants('psk', isIkeSecret, 'a secret ike-… for the connections with psk')
  wants('eap-mschapv2', isUserSecret, 'a secret eap-… or ntlm-… for the connections with eap-mschapv2')
}

/** "EAP ... MUST be used in conjunction with a public-key-signature-based authentication of the responder" (RFC 7296 §2.16). */
function warnOfSharedProof({ connections }: Partial<VpnFile>, top: Place): void {
  for (const [name, { local, remote }] of connections ?? []) {
    if (remote.auth !== 'eap-mschapv2' || local.auth !== 'psk') continue
    const text = 'psk beside EAP is weak: every client knows the key, so any of them can pose as the cluster (RFC 7296 §2.16 wants pubkey)'
    warn(placeOf(top, 'connections', name, 'local'), text)
  }
}

function countsFit({ connections, pools, secrets, authorities }: Partial<VpnFile>, top: Place): void {
  const fits = (key: 'connections' | 'pools' | 'secrets' | 'authorities', count: number): void => {
    if (count > configurationLimits[key]) reject(placeOf(top, key), `at most ${configurationLimits[key]} ${key}`, `${count}`)
  }
  fits('connections', connections?.size ?? 0)
  fits('pools', pools?.size ?? 0)
  fits('secrets', secrets?.size ?? 0)
  fits('authorities', authorities?.size ?? 0)
  for (const [name, { children }] of connections ?? []) {
    const few = children.size >= 1 && children.size <= configurationLimits.children
    if (!few) reject(placeOf(top, 'connections', name, 'children'), `1 to ${configurationLimits.children} children`, `${children.size}`)
  }
}
