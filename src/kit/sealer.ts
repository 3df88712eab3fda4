/**
 * Secrets enter the log, the disk and backups only sealed. The interface; src/crypto has the implementation.
 */

import type { Bytes } from './bytes.ts'
import { dataView, fromHex } from './bytes.ts'

export interface Sealer {
  /**
   * Seals `plaintext`, bound to `field` (for example `ike/<spi in hex>`) and to the cluster: the blob opens only for the same field.
   * Key id ‖ 24-octet random nonce ‖ ciphertext ‖ tag.
   */
  seal(field: string, plaintext: Bytes): Bytes
  /** The plaintext, or null when the blob is not ours, was sealed for another field, or was changed. */
  open(field: string, blob: Bytes): Bytes | null
}

/** The name of a sealing key, of 32 bits; 0 names none. It says nothing about the key. */
export type SealingKeyId = number

export const noSealingKey: SealingKeyId = 0
/** What every blob begins with. */
export const keyIdOctets = 4

/** The key that a blob is sealed under; `noSealingKey`: it is no blob. */
export function sealedUnder(blob: Bytes): SealingKeyId {
  return blob.length < keyIdOctets ? noSealingKey : dataView(blob).getUint32(0)
}

/** As operators see it: 8 digits. */
export function formatSealingKeyId(id: SealingKeyId): string {
  return id.toString(16).padStart(2 * keyIdOctets, '0')
}

/** Null: it is not 8 hexadecimal digits. */
export function parseSealingKeyId(text: string): SealingKeyId | null {
  const octets = text.length === 2 * keyIdOctets ? fromHex(text) : null
  return octets === null ? null : dataView(octets).getUint32(0)
}
