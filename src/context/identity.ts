/**
 * IKE identities (RFC 7296 §3.5): as people write them, as the wire has them, and whether a pattern of the configuration fits one.
 *
 * The type follows from the text as in swanctl.conf: an IP address is ID_IPV4_ADDR or ID_IPV6_ADDR, `a@b` ID_RFC822_ADDR, `@name` and
 * anything else ID_FQDN, `0x…` or `@#…` ID_KEY_ID, a distinguished name such as `C=CH, O=strongSwan, CN=alice` ID_DER_ASN1_DN.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes, fromHex, fromUtf8, toHex, toUtf8 } from '../kit/bytes.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { formatAddress, parseAddress } from './address.ts'
import { decodeName, encodeName, formatName, matchesName, nameKey, parseName } from './distinguished-name.ts'
import type { Identity } from './session-context.ts'

/** ID types of RFC 7296 §3.5. */
export const idType = {
  ipv4: 1,
  fqdn: 2,
  rfc822: 3,
  ipv6: 5,
  derAsn1Dn: 9,
  derAsn1Gn: 10,
  keyId: 11,
} as const

/** The pattern that fits every identity. */
export const anyIdentity = '%any'

/** The identity that `text` names. Never fails: what is nothing else is a name. */
export function parseIdentity(text: string): Identity {
  const address = parseAddress(text)
  if (address !== null) return { type: address.length === 4 ? idType.ipv4 : idType.ipv6, data: address }
  const keyId = text.startsWith('@#') ? fromHex(text.slice(2)) : text.startsWith('0x') ? fromHex(text.slice(2)) : null
  if (keyId !== null && keyId.length > 0) return { type: idType.keyId, data: keyId }
  if (text.startsWith('@')) return { type: idType.fqdn, data: toUtf8(text.slice(1)) }
  const name = text.includes('=') ? parseName(text) : null
  if (name !== null) return { type: idType.derAsn1Dn, data: encodeName(name) }
  return { type: text.includes('@') ? idType.rfc822 : idType.fqdn, data: toUtf8(text) }
}

/** For people, on one line: control characters of a peer's identity are escaped. Binary ones are `type:hex`. */
export function formatIdentity({ type, data }: Identity): string {
  if (type === idType.ipv4 && data.length === 4) return formatAddress(data)
  if (type === idType.ipv6 && data.length === 16) return formatAddress(data)
  if (type === idType.fqdn || type === idType.rfc822) return escapeControls(fromUtf8(data))
  if (type === idType.keyId) return `@#${toHex(data)}`
  const name = type === idType.derAsn1Dn ? decodedOrNull(decodeName, data) : null
  if (name !== null) return escapeControls(formatName(name))
  return `${type}:${toHex(data)}`
}

/**
 * Whether two identities are the same: type and octets, names without regard to ASCII case (RFC 4343; mail as everyone does), distinguished
 * names by their meaning.
 */
export function equalIdentity(a: Identity, b: Identity): boolean {
  return a.type === b.type && equalBytes(identityKey(a), identityKey(b))
}

/** The octets by which identities of one type are told apart. */
export function identityKey({ type, data }: Identity): Bytes {
  if (type === idType.derAsn1Dn) return toUtf8(nameKey(data))
  return isCaseless(type) ? lowerCase(data) : data
}

/** Whether identities of this type are the same however their letters are written. */
export function isCaseless(type: number): boolean {
  return type === idType.fqdn || type === idType.rfc822
}

/**
 * Whether `pattern` fits the identity: `%any`, an identity as written, a name with `*` for any run of characters, or a distinguished name with
 * `*` for whole values.
 */
export function matchesIdentity(pattern: string, identity: Identity): boolean {
  if (pattern === anyIdentity) return true
  if (!pattern.includes('*')) return equalIdentity(parseIdentity(pattern), identity)
  if (identity.type === idType.derAsn1Dn) return matchesNamePattern(pattern, identity.data)
  if (identity.type !== idType.fqdn && identity.type !== idType.rfc822) return false
  const name = pattern.startsWith('@') ? pattern.slice(1) : pattern
  return matchesWildcards(name.toLowerCase(), fromUtf8(lowerCase(identity.data)))
}

function matchesNamePattern(pattern: string, der: Bytes): boolean {
  const name = parseName(pattern)
  return name !== null && matchesName(name, der)
}

/** How exactly the pattern names identities: 2 one, 1 some, 0 any. The most exact secret that fits is taken. */
export function patternPrecision(pattern: string): 0 | 1 | 2 {
  return pattern === anyIdentity ? 0 : pattern.includes('*') ? 1 : 2
}

/** Linear in the product of the lengths at worst, without recursion: a peer chooses `text`. */
function matchesWildcards(pattern: string, text: string): boolean {
  let p = 0
  let star = -1
  let resume = 0
  for (let t = 0; t < text.length;) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

function lowerCase(data: Bytes): Bytes {
  return data.map(lowerOctet)
}

/** Of ASCII. */
export function lowerOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet
}

function escapeControls(text: string): string {
  let safe = ''
  for (const character of text) {
    const point = character.codePointAt(0)!
    const control = point < 0x20 || (point >= 0x7f && point < 0xa0) || point === 0x2028 || point === 0x2029
    safe += control ? `\\u${point.toString(16).padStart(4, '0')}` : character
  }
  return safe
}
