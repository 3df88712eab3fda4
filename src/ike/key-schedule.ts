/**
 * Keys of IKE SAs and Child SAs, and what AUTH signs (RFC 7296 §2.13–§2.17).
 *
 *   SKEYSEED = prf(Ni | Nr, g^ir)
 *   {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)
 *   KEYMAT = prf+(SK_d, Ni | Nr)
 *   AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, toUtf8 } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { Reader, Writer } from '../kit/wire.ts'
import { assert } from '../kit/assert.ts'
import type { EspSuite, IkeSuite } from '../context/session-context.ts'
import type { DirectionKeys } from './wire/message.ts'

/** The keys of an IKE SA. `skA…` are empty for AEAD; `skP…` are empty once the session is established. */
export interface IkeKeys {
  readonly skD: Bytes
  readonly skAi: Bytes
  readonly skAr: Bytes
  readonly skEi: Bytes
  readonly skEr: Bytes
  readonly skPi: Bytes
  readonly skPr: Bytes
}

/** Inputs of a key derivation that both sides know. */
export interface ExchangeValues {
  readonly ni: Bytes
  readonly nr: Bytes
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
}

/** The keys after IKE_SA_INIT. */
export function deriveIkeKeys(crypto: IkeCrypto, suite: IkeSuite, sharedSecret: Bytes, values: ExchangeValues): IkeKeys {
  const skeyseed = crypto.prf(suite.prf, concat(values.ni, values.nr), sharedSecret)
  return expandIkeKeys(crypto, suite, skeyseed, values)
}

/** The keys of an IKE SA that replaces one whose SK_d and PRF are given (§2.18): SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr). */
export function deriveRekeyedIkeKeys(
  crypto: IkeCrypto,
  suite: IkeSuite,
  old: { readonly skD: Bytes; readonly prf: number },
  sharedSecret: Bytes,
  values: ExchangeValues,
): IkeKeys {
  const skeyseed = crypto.prf(old.prf, old.skD, concat(sharedSecret, values.ni, values.nr))
  return expandIkeKeys(crypto, suite, skeyseed, values)
}

function expandIkeKeys(crypto: IkeCrypto, suite: IkeSuite, skeyseed: Bytes, values: ExchangeValues): IkeKeys {
  const prfOctets = crypto.prfLength(suite.prf)
  const encryption = crypto.encryptionSizes(suite.encr, suite.keyBits)
  assert(prfOctets !== null, `PRF ${suite.prf} was negotiated but is not supported`)
  assert(encryption !== null, `encryption algorithm ${suite.encr} was negotiated but is not supported`)
  const e = encryption.key + encryption.salt
  const a = integrityKeyOctets(crypto, suite.integ)
  const seed = concat(values.ni, values.nr, new Writer(16).u64(values.initiatorSpi).u64(values.responderSpi).finish())
  const reader = new Reader('keying material', crypto.prfPlus(suite.prf, skeyseed, seed, 3 * prfOctets + 2 * a + 2 * e))
  return {
    skD: reader.octets('SK_d', prfOctets),
    skAi: reader.octets('SK_ai', a),
    skAr: reader.octets('SK_ar', a),
    skEi: reader.octets('SK_ei', e),
    skEr: reader.octets('SK_er', e),
    skPi: reader.octets('SK_pi', prfOctets),
    skPr: reader.octets('SK_pr', prfOctets),
  }
}

/** The keys that the original initiator of the IKE SA sends with, or those that its responder sends with. */
export function directionKeys(keys: IkeKeys, fromInitiator: boolean): DirectionKeys {
  return fromInitiator ? { skE: keys.skEi, skA: keys.skAi } : { skE: keys.skEr, skA: keys.skAr }
}

/** Keys of a Child SA, by who sends in the exchange's terms: each is encryption key, salt, integrity key (§2.17). */
export interface ChildKeymat {
  readonly initiatorToResponder: Bytes
  readonly responderToInitiator: Bytes
}

/** `sharedSecret`: g^ir of a CREATE_CHILD_SA with key exchange, else empty. */
export function deriveChildKeys(
  crypto: IkeCrypto,
  prf: number,
  skD: Bytes,
  suite: EspSuite,
  values: { readonly ni: Bytes; readonly nr: Bytes; readonly sharedSecret: Bytes },
): ChildKeymat {
  const length = childKeyOctets(crypto, suite)
  const keymat = crypto.prfPlus(prf, skD, concat(values.sharedSecret, values.ni, values.nr), 2 * length)
  return { initiatorToResponder: keymat.slice(0, length), responderToInitiator: keymat.slice(length) }
}

function childKeyOctets(crypto: IkeCrypto, suite: EspSuite): number {
  const encryption = crypto.encryptionSizes(suite.encr, suite.keyBits)
  assert(encryption !== null, `encryption algorithm ${suite.encr} was negotiated but is not supported`)
  return encryption.key + encryption.salt + integrityKeyOctets(crypto, suite.integ)
}

function integrityKeyOctets(crypto: IkeCrypto, integ: number): number {
  if (integ === 0) return 0
  const sizes = crypto.integritySizes(integ)
  assert(sizes !== null, `integrity algorithm ${integ} was negotiated but is not supported`)
  return sizes.key
}

/** What one side's AUTH covers: its IKE_SA_INIT message, the other's nonce, and prf(SK_p of the side, ID' of the side) (§2.15). */
export function authOctets(crypto: IkeCrypto, prf: number, side: { message: Bytes; peerNonce: Bytes; skP: Bytes; idBody: Bytes }): Bytes {
  return concat(side.message, side.peerNonce, crypto.prf(prf, side.skP, side.idBody))
}

const keyPad = toUtf8('Key Pad for IKEv2')

/** AUTH with a pre-shared key or the key that EAP has made (§2.16), over `octets` of `authOctets` (§2.15). */
export function sharedKeyAuth(crypto: IkeCrypto, prf: number, secret: Bytes, octets: Bytes): Bytes {
  return crypto.prf(prf, crypto.prf(prf, secret, keyPad), octets)
}

const keysVersion = 1
const maximumKeyOctets = 128

/** What is sealed as `IkeSaContext.secrets`. */
export function encodeIkeKeys(keys: IkeKeys): Bytes {
  const writer = new Writer(256).u8(keysVersion)
  for (const key of [keys.skD, keys.skAi, keys.skAr, keys.skEi, keys.skEr, keys.skPi, keys.skPr]) writer.blob(key)
  return writer.finish()
}

/** Throws `DecodeError`. */
export function decodeIkeKeys(bytes: Bytes): IkeKeys {
  const reader = new Reader('IKE keys', bytes)
  readVersion(reader)
  const keys: IkeKeys = {
    skD: reader.blob('SK_d', maximumKeyOctets),
    skAi: reader.blob('SK_ai', maximumKeyOctets),
    skAr: reader.blob('SK_ar', maximumKeyOctets),
    skEi: reader.blob('SK_ei', maximumKeyOctets),
    skEr: reader.blob('SK_er', maximumKeyOctets),
    skPi: reader.blob('SK_pi', maximumKeyOctets),
    skPr: reader.blob('SK_pr', maximumKeyOctets),
  }
  reader.end()
  return keys
}

/** The keys of a Child SA as the cluster sees it. */
export interface ChildKeys {
  readonly keyIn: Bytes
  readonly keyOut: Bytes
}

/** What is sealed as `ChildSaContext.secrets`. */
export function encodeChildKeys(keys: ChildKeys): Bytes {
  return new Writer(160).u8(keysVersion).blob(keys.keyIn).blob(keys.keyOut).finish()
}

/** Throws `DecodeError`. */
export function decodeChildKeys(bytes: Bytes): ChildKeys {
  const reader = new Reader('Child SA keys', bytes)
  readVersion(reader)
  const keys = { keyIn: reader.blob('keyIn', maximumKeyOctets), keyOut: reader.blob('keyOut', maximumKeyOctets) }
  reader.end()
  return keys
}

function readVersion(reader: Reader): void {
  const version = reader.u8('version')
  if (version !== keysVersion) reader.fail('version', `expected ${keysVersion}, got ${version}`)
}
