/** The keys of vpn.yaml, the words of strongSwan's swanctl.conf, with their defaults. docs/configuration.md lists what is not in it. */

import { parseAddress, parseRange } from '../context/address.ts'
import type { AddressRange } from '../context/address.ts'
import { anyIdentity } from '../context/identity.ts'
import { compareBytes, toUtf8 } from '../kit/bytes.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { ChildlessPolicy, FragmentationMode, RemoteAuthentication, Subnet, UniquePolicy } from '../context/vpn-configuration.ts'
import { childlessPolicies, connectionDefaults, fragmentationModes, uniquePolicies } from '../context/vpn-configuration.ts'
import { configurationLimits } from '../context/vpn-configuration-codec.ts'
import { childLifetimeFields, ikeLifetimeFields } from './lifetimes.ts'
import { defaultEspProposals, defaultIkeProposals, parseEspProposal, parseIkeProposal } from './proposals.ts'
import type { ProposalResult } from './proposals.ts'
import type { SecretSources } from './secret-shape.ts'
import { secretEntry, secretName } from './secret-shape.ts'
import { fileName, identity, oneOrMore } from './vpn-words.ts'
import type { ObjectOf, Shape } from './yaml-shape.ts'
import { listWords, mapOf, object, oneOf, optional, placeOf, reject, required, scalarAt, text, warn } from './yaml-shape.ts'

/** What vpn.yaml says, before the rules that tie keys together. */
export type VpnFile = ObjectOf<ReturnType<typeof vpnFields>>

const limits = configurationLimits

const named = { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, what: 'a name: letters, digits, dots, hyphens and underscores, at most 63' }

const identityPattern = text(`an identity, a pattern such as *.example.org, or ${anyIdentity}`, (word) => {
  if (word === '%any4' || word === '%any6') return null
  return word !== '' && toUtf8(word).length <= limits.nameOctets ? word : null
})

function auth<const T extends string>(choices: readonly T[]): Shape<T> {
  return (place) => {
    const value = scalarAt(place)
    const chosen = choices.find((choice) => choice === value)
    if (chosen !== undefined) return chosen
    const later = typeof value === 'string' && /^(pubkey|rsa|ecdsa|ed25519|eap)/.test(value)
    return reject(place, `${listWords(choices)}${later ? '; other kinds of authentication are not supported yet' : ''}`)
  }
}

const someFiles = optional(oneOrMore(fileName, { minimum: 1, maximum: 64 }), [])

const selector: Shape<AddressRange> = (place) => {
  const value = scalarAt(place)
  if (typeof value === 'string' && /\[.*\]$/.test(value))
    return reject(place, 'a selector without protocol and port; those are not supported yet')
  return range(place)
}

const range = text<AddressRange>('an address, a prefix such as 10.50.0.0/24 or a range such as 10.0.0.1-10.0.0.9', parseRange)

const poolRange = text<AddressRange>('a prefix such as 10.77.0.0/16 or a range such as 10.77.0.10-10.77.0.99', (word) => {
  const parsed = parseRange(word)
  return parsed === null || !word.includes('/') ? parsed : hostsOf(parsed)
})

/**
 * The addresses of a prefix that hosts may have: not the network's own nor the broadcast address (RFC 1122 §3.2.1.3), of IPv6 not the
 * routers' anycast address (RFC 4291 §2.6.1). Prefixes of one or two addresses are taken whole (RFC 3021, RFC 6164).
 */
export function hostsOf({ start, end }: AddressRange): AddressRange {
  const first = start.slice()
  const last = end.slice()
  first[first.length - 1]! += 1
  if (last.length === 4) last[last.length - 1]! -= 1
  return compareBytes(first, last) < 0 ? { start: first, end: last } : { start, end }
}

const address = text<Bytes>('an IP address such as 10.50.0.53', parseAddress)

function proposals<T>(parse: (word: string) => ProposalResult<T>): Shape<readonly T[]> {
  const one: Shape<readonly T[]> = (place) => {
    const value = scalarAt(place)
    if (typeof value !== 'string') return reject(place, 'a proposal such as aes128-sha256-x25519')
    const parsed = parse(value)
    if (!parsed.ok) return reject(place, parsed.expected, parsed.got)
    for (const warning of parsed.warnings) warn(place, warning)
    return parsed.proposals
  }
  const list = oneOrMore(one, { minimum: 1, maximum: limits.proposals })
  return (place) => list(place)?.flat()
}

function defaults<T>(words: readonly string[], parse: (word: string) => ProposalResult<T>): readonly T[] {
  return words.flatMap((word) => {
    const parsed = parse(word)
    return parsed.ok ? parsed.proposals : []
  })
}

const child = object({
  local_ts: required(oneOrMore(selector, { minimum: 1, maximum: limits.selectors })),
  esp_proposals: optional(proposals(parseEspProposal), defaults(defaultEspProposals, parseEspProposal)),
  ...childLifetimeFields,
})

const remoteFields = object({
  auth: optional(auth(['psk', 'pubkey', 'eap-mschapv2']), 'psk'),
  id: optional(identityPattern, anyIdentity),
  eap_id: optional<string | null>(identityPattern, null),
  cacerts: someFiles,
  revocation: optional(oneOf(['strict', 'ifuri', 'relaxed']), 'relaxed'),
})

/** swanctl.conf's `eap_id`: whom EAP is about, where that is not the identity of IKE. */
const remote: Shape<RemoteAuthentication> = (place) => {
  const read = remoteFields(place)
  if (read === undefined) return undefined
  const { eap_id: eapId, ...side } = read
  if (side.auth === 'eap-mschapv2') return { ...side, eapId: eapId ?? '' }
  return eapId === null ? side : reject(placeOf(place, 'eap_id'), 'eap_id only beside auth: eap-mschapv2')
}

const authority = object({ cacert: required(fileName), crls: someFiles })

/** To a responder swanctl.conf's `prefer` is `allow`. */
const childless: Shape<ChildlessPolicy> = (place) => (scalarAt(place) === 'prefer' ? 'allow' : oneOf(childlessPolicies)(place))

/** swanctl.conf's booleans: YAML's, and the words that YAML 1.2 takes for text. */
const yesOrNo: Shape<boolean> = (place) => {
  const value = scalarAt(place)
  if (value === true || value === 'yes') return true
  return value === false || value === 'no' ? false : reject(place, 'yes or no')
}

const fragmentation: Shape<FragmentationMode> = (place) => {
  const value = scalarAt(place)
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : oneOf(fragmentationModes)(place)
}

const connection = object({
  proposals: optional(proposals(parseIkeProposal), defaults(defaultIkeProposals, parseIkeProposal)),
  pools: required(
    oneOrMore(
      text('the name of a pool', (word) => (word === '' ? null : word)),
      { minimum: 1, maximum: 16 },
    ),
  ),
  local: required(object({ auth: optional(auth(['psk', 'pubkey', 'rsa/pss']), 'psk'), id: required(identity), certs: someFiles })),
  remote: optional(remote, { auth: 'psk', id: anyIdentity, cacerts: [], revocation: 'relaxed' }),
  children: required(mapOf(named, child)),
  unique: optional<UniquePolicy>(oneOf(uniquePolicies), connectionDefaults.unique),
  childless: optional<ChildlessPolicy>(childless, connectionDefaults.childless),
  fragmentation: optional<FragmentationMode>(fragmentation, connectionDefaults.fragmentation),
  mobike: optional<boolean>(yesOrNo, connectionDefaults.mobike),
  ...ikeLifetimeFields,
})

const ip4Address = text<Bytes>('an IPv4 address such as 10.50.0.53', (word) => {
  const parsed = parseAddress(word)
  return parsed?.length === 4 ? parsed : null
})

const subnet = text<Subnet>('a network such as 10.50.0.0/24', (word) => {
  const parsed = parseRange(word)
  const prefix = parsed === null || !word.includes('/') ? null : Number(word.split('/')[1])
  return parsed === null || prefix === null ? null : { address: parsed.start, prefix }
})

/** RFC 1123 §2.1: letters, digits and hyphens, in labels of at most 63. */
const domain = text<string>('a domain such as corp.example.org', (word) => {
  const labels = word.split('.')
  return word.length <= 253 && labels.every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label)) ? word : null
})

const pool = object({
  addrs: required(oneOrMore(poolRange, { minimum: 1, maximum: limits.ranges })),
  dns: optional(oneOrMore(address, { minimum: 0, maximum: limits.dns }), []),
  nbns: optional(oneOrMore(ip4Address, { minimum: 0, maximum: limits.dns }), []),
  subnet: optional(oneOrMore(subnet, { minimum: 0, maximum: limits.subnets }), []),
  domains: optional(oneOrMore(domain, { minimum: 0, maximum: limits.dns }), []),
})

/** `sources`: where secrets come from that are not in the file itself. */
export function vpnFields(sources: SecretSources) {
  return {
    connections: optional(mapOf(named, connection), new Map()),
    pools: optional(mapOf(named, pool), new Map()),
    secrets: optional(mapOf(secretName, secretEntry(sources)), new Map()),
    authorities: optional(mapOf(named, authority), new Map()),
  }
}
