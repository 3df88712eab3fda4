/** The algorithms that the bench measures: as sessions ask for them, and as vpn.yaml and swanctl.conf spell them. */

import type { EspProposal } from '../../src/context/vpn-configuration.ts'
import { encryptionAlgorithm as encr, integrityAlgorithm as integ } from '../../src/kit/ike-crypto.ts'

export interface BenchSuite {
  readonly name: string
  readonly keyword: string
  readonly proposal: EspProposal
}

/** 32-bit sequence numbers: libipsec has no others. */
export const suites: readonly BenchSuite[] = [
  suite('AES-128-GCM', 'aes128gcm16', encr.aesGcm16, 128),
  suite('AES-256-GCM', 'aes256gcm16', encr.aesGcm16, 256),
  suite('ChaCha20-Poly1305', 'chacha20poly1305', encr.chacha20Poly1305, 0),
  suite('AES-128-CBC+SHA256', 'aes128-sha256', encr.aesCbc, 128, [integ.hmacSha256_128]),
]

function suite(name: string, keyword: string, algorithm: number, keyBits: number, integrity: readonly number[] = []): BenchSuite {
  return { name, keyword, proposal: { encryption: [{ encr: algorithm, keyBits }], integ: integrity, ke: [], esn: [0] } }
}
