/**
 * The computations of MS-CHAPv2 (RFC 2759 §8) and of the keys that it gives (RFC 3079 §3), from the hash of the password.
 *
 *   Challenge = SHA1(PeerChallenge | AuthenticatorChallenge | UserName), 8 octets of it
 *   NtResponse = DES with each third of the hash as key, of Challenge
 *   MasterKey = SHA1(MD4(hash) | NtResponse | "This is the MPPE Master Key"), 16 octets of it
 */

import type { Bytes } from '../../kit/bytes.ts'
import { concat, toHex, toUtf8 } from '../../kit/bytes.ts'
import type { IkeCrypto } from '../../kit/ike-crypto.ts'

/** What one round of challenge and response is about. */
export interface MsChapV2Values {
  readonly authenticatorChallenge: Bytes
  readonly peerChallenge: Bytes
  /** As the peer spells it, without a domain. */
  readonly userName: Bytes
}

/** "only the user name is used, without any associated Windows NT domain name" (RFC 2759 §4). */
export function withoutDomain(name: Bytes): Bytes {
  return name.subarray(name.indexOf(backslash) + 1)
}

const backslash = 0x5c

/** GenerateNTResponse (§8.1): 24 octets. */
export function ntResponse(crypto: IkeCrypto, hash: Bytes, values: MsChapV2Values): Bytes {
  const challenge = challengeHash(crypto, values)
  const keys = concat(hash, new Uint8Array(5))
  return concat(...[0, 7, 14].map((at) => crypto.desEncrypt(withParity(keys.subarray(at, at + 7)), challenge)))
}

/** ChallengeHash (§8.2). */
function challengeHash(crypto: IkeCrypto, { authenticatorChallenge, peerChallenge, userName }: MsChapV2Values): Bytes {
  return crypto.sha1(concat(peerChallenge, authenticatorChallenge, userName)).slice(0, 8)
}

/** Seven octets as eight times seven bits; the low bit of each is DES's parity, which nobody looks at (§8.6). */
function withParity(key: Bytes): Bytes {
  const spread = new Uint8Array(8)
  for (let i = 0; i < 8; i++) spread[i] = ((((key[i - 1] ?? 0) << 8) | (key[i] ?? 0)) >> i) & 0xfe
  return spread
}

const signing1 = toUtf8('Magic server to client signing constant')
const signing2 = toUtf8('Pad to make it do more than one iteration')

/** GenerateAuthenticatorResponse (§8.7): `S=` and 40 digits, by which the server proves that it knows the hash, too. */
export function authenticatorResponse(crypto: IkeCrypto, hash: Bytes, values: MsChapV2Values, response: Bytes): string {
  const digest = crypto.sha1(concat(crypto.md4(hash), response, signing1))
  return `S=${toHex(crypto.sha1(concat(digest, challengeHash(crypto, values), signing2))).toUpperCase()}`
}

const masterKeyMagic = toUtf8('This is the MPPE Master Key')
const clientSendMagic = toUtf8('On the client side, this is the send key; on the server side, it is the receive key.')
const clientReceiveMagic = toUtf8('On the client side, this is the receive key; on the server side, it is the send key.')
const pad1 = new Uint8Array(40)
const pad2 = new Uint8Array(40).fill(0xf2)

/**
 * The Master Session Key of 64 octets (RFC 5247): what the server receives with and what it sends with, 128 bits each (RFC 3079 §3.3, §3.4),
 * and zeros.
 */
export function masterSessionKey(crypto: IkeCrypto, hash: Bytes, response: Bytes): Bytes {
  const masterKey = crypto.sha1(concat(crypto.md4(hash), response, masterKeyMagic)).subarray(0, 16)
  const startKey = (magic: Bytes): Bytes => crypto.sha1(concat(masterKey, pad1, magic, pad2)).subarray(0, 16)
  return concat(startKey(clientSendMagic), startKey(clientReceiveMagic), new Uint8Array(32))
}
