/** Makes the packet core inside the worker: cryptography and randomness can't be sent to a thread. */

import { createEvpEspCrypto } from '../crypto/evp-esp-crypto.ts'
import { createEspCrypto } from '../crypto/node-esp-crypto.ts'
import { systemRandom } from '../crypto/random.ts'
import type { PacketOptions } from '../gateway/packets.ts'
import { PacketCore } from '../gateway/packets.ts'
import type { HostedCore, HostedEffects } from './packet-core-host.ts'

/** What the main thread names: all that survives a structured clone. */
export type PacketCoreOptions = Omit<PacketOptions, 'crypto' | 'effects'>

export function createPacketCore(options: unknown, path: 'fast' | 'plain', effects: HostedEffects): HostedCore {
  const crypto = path === 'fast' ? createEvpEspCrypto(systemRandom()) : createEspCrypto(systemRandom())
  return new PacketCore({ ...(options as PacketCoreOptions), crypto, effects })
}
