/** ESP without cryptography, and random numbers that only count: small, and the same again when a core is made anew. */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'
import type { EspCipher, EspCrypto } from '../../../src/kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../../../src/kit/esp-crypto.ts'
import { hashBytes } from '../../../src/kit/hash.ts'
import type { Random } from '../../../src/kit/random.ts'

const ICV_OCTETS = 4

/** The payload stays as it is; the ICV is a checksum under the key. No real cipher is this fast, and none of its secrets is looked at. */
export const plainEspCrypto: EspCrypto = {
  keyOctets: () => 0,
  cipher: (_algorithms, key) => plainCipher(hashBytes(key)),
}

function plainCipher(key: number): EspCipher {
  const icvOf = (packet: Bytes): number => (hashBytes(packet.subarray(0, packet.length - ICV_OCTETS)) ^ key) >>> 0
  return {
    ivOctets: 0,
    icvOctets: ICV_OCTETS,
    blockOctets: 4,
    seal: (packet) => dataView(packet).setUint32(packet.length - ICV_OCTETS, icvOf(packet)),
    open: (packet) =>
      packet.length > ESP_HEADER_OCTETS + ICV_OCTETS && dataView(packet).getUint32(packet.length - ICV_OCTETS) === icvOf(packet),
    close: () => undefined,
  }
}

/** Each number once in the life of a process, and in no other's. */
export class CountingRandom implements Random {
  readonly #process: number
  count = 0

  constructor(process: number) {
    this.#process = process
  }

  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length)
    const view = dataView(bytes)
    for (let at = 0; at < length; at += 4) {
      const value = this.uint32()
      for (let i = 0; i < 4 && at + i < length; i++) bytes[at + i] = value >>> (24 - 8 * i)
    }
    if (length >= 8) view.setUint32(0, this.#process)
    return bytes
  }

  uint32(): number {
    this.count += 1
    return (this.#process * 2 ** 16 + this.count) >>> 0
  }
}
