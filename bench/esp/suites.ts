/** The algorithms that the bench measures. */

import type { EspSuite } from '../../src/context/session-context.ts'

export interface BenchSuite {
  readonly name: string
  readonly suite: EspSuite
}

export const suites: readonly BenchSuite[] = [
  { name: 'AES-128-GCM', suite: { encr: 20, keyBits: 128, integ: 0, esn: 0 } },
  { name: 'AES-256-GCM', suite: { encr: 20, keyBits: 256, integ: 0, esn: 0 } },
  { name: 'ChaCha20-Poly1305', suite: { encr: 28, keyBits: 0, integ: 0, esn: 0 } },
  { name: 'AES-128-CBC+SHA256', suite: { encr: 12, keyBits: 128, integ: 12, esn: 0 } },
]
