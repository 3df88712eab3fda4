/** What gateways of a simulated cluster share, and what is around them. */

import type { Endpoint } from '../../src/context/session-context.ts'
import type { BalanceSettings } from '../../src/gateway/balance/balancer.ts'
import type { ReplyOptions } from '../../src/gateway/packets/reply-path.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { EspCrypto } from '../../src/kit/esp-crypto.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { SealingKeys } from '../../src/crypto/sealer.ts'
import type { Envelope } from '../../raft/message.ts'
import type { ApplyHook } from './hook.ts'
import type { Judges } from './judges.ts'
import type { Scheduler } from './scheduler.ts'
import type { Sites } from './sites.ts'

export interface NodeWorld {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  /** Whom the cluster begins with. */
  readonly ids: readonly string[]
  readonly crypto: IkeCrypto
  readonly espCrypto: EspCrypto
  readonly sealer: SealingKeys
  readonly sites: Sites
  readonly replyWay: ReplyOptions['way']
  /** Of a mutant; null: none. */
  readonly hook: ApplyHook | null
  readonly quietMs: number
  readonly balance: BalanceSettings
  /** How often a gateway makes a checkpoint; 0: never. */
  readonly checkpointEveryMs: number
  readonly compactionTailOctets: number
  readonly judges: Judges
  sendOuter(from: string, local: Endpoint, remote: Endpoint, datagram: Bytes): void
  sendMesh(from: string, to: string, message: Bytes): void
  sendRaft(from: string, envelope: Envelope, octets: Bytes): void
  /** A gateway was told that it is no member any more. */
  removed(gateway: string): void
  /** The process of a gateway ends: by a fault between two effects, or because its disk failed a write. */
  crashed(gateway: string): void
}
