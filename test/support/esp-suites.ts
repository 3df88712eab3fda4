/** Every suite that ESP can be negotiated with here, as RFC 7296's transform IDs; each also with extended sequence numbers. */

import type { EspAlgorithms } from '../../src/kit/esp-crypto.ts'

export interface NamedSuite extends EspAlgorithms {
  readonly name: string
}

export const espSuites: readonly NamedSuite[] = [
  ...[128, 192, 256].map((keyBits) => ({ name: `AES-GCM-16-${keyBits}`, encr: 20, keyBits, integ: 0 })),
  { name: 'ChaCha20-Poly1305', encr: 28, keyBits: 0, integ: 0 },
  ...[2, 12, 13, 14].flatMap((integ) => [
    ...[128, 192, 256].flatMap((keyBits) => [
      { name: `AES-CBC-${keyBits} with integrity ${integ}`, encr: 12, keyBits, integ },
      { name: `AES-CTR-${keyBits} with integrity ${integ}`, encr: 13, keyBits, integ },
    ]),
    { name: `3DES-CBC with integrity ${integ}`, encr: 3, keyBits: 0, integ },
    { name: `NULL with integrity ${integ}`, encr: 11, keyBits: 0, integ },
  ]),
]
