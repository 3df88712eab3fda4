/**
 * The cryptography that ESP needs, as an interface: one cipher for each SA and direction, working in place on the packet's own octets.
 *
 * A packet is SPI (4) ‖ sequence number (4) ‖ IV ‖ payload with padding and trailer ‖ ICV (RFC 4303 §2). Sizes in octets.
 */

import type { Bytes } from './bytes.ts'

/** SPI and sequence number. */
export const ESP_HEADER_OCTETS = 8

/** Transform IDs of RFC 7296 §3.3.2. */
export interface EspAlgorithms {
  readonly encr: number
  /** 0 where the algorithm has one size only. */
  readonly keyBits: number
  /** 0 for AEAD. */
  readonly integ: number
  /** 1: extended sequence numbers, whose upper half is authenticated though it is not sent (RFC 4303 §2.2.1). */
  readonly esn?: 0 | 1
}

export interface EspCipher {
  readonly ivOctets: number
  readonly icvOctets: number
  /** The payload with padding and trailer is a multiple of this (at least 4: RFC 4303 §2.4). */
  readonly blockOctets: number
  /**
   * Protects `packet`, whose SPI, sequence number and payload (from ESP_HEADER_OCTETS + ivOctets, up to icvOctets from the end) are
   * already there: writes the IV, encrypts the payload in place, writes the ICV. `sequenceHigh`: the upper half of an extended number, else 0.
   */
  seal(packet: Bytes, sequenceHigh: number): void
  /** Checks the ICV and decrypts the payload in place. False: the packet is not authentic, or its length is impossible. */
  open(packet: Bytes, sequenceHigh: number): boolean
  /** The SA is gone: wipes the keys where they are in reach. Nothing is sealed or opened afterwards. */
  close(): void
}

export interface EspCrypto {
  /** Octets of key material for one direction (encryption key with salt, then integrity key); null: not supported. */
  keyOctets(algorithms: EspAlgorithms): number | null
  /** Null: not supported, or the key has another length. One direction of one SA only. */
  cipher(algorithms: EspAlgorithms, key: Bytes): EspCipher | null
}
