/**
 * Secrets enter the log, the disk and backups only sealed. The interface; src/crypto has the implementation.
 */

import type { Bytes } from './bytes.ts'

export interface Sealer {
  /**
   * Seals `plaintext`, bound to `field` (for example `ike/<spi in hex>`) and to the cluster: the blob opens only for the same field.
   * Key id ‖ 24-octet random nonce ‖ ciphertext ‖ tag.
   */
  seal(field: string, plaintext: Bytes): Bytes
  /** The plaintext, or null when the blob is not ours, was sealed for another field, or was changed. */
  open(field: string, blob: Bytes): Bytes | null
}
