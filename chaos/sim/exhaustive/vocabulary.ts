/** What the parts of the cluster are told and do, by number. */

import type { FromPackets, ToPackets } from '../../../src/gateway/packet-messages.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { Result } from '../../../src/session/results.ts'
import { Interner } from './canonical.ts'

/** What a control core is told. */
export type ControlInput =
  /** `isOwn`: this process proposed it, and waits for its outcome. */
  | { readonly type: 'committed'; readonly octets: Bytes; readonly isOwn: boolean }
  | { readonly type: 'packets'; readonly message: FromPackets }
  /** An operator wants the session to go to this gateway. */
  | { readonly type: 'transfer'; readonly to: string }
  /** So much time passes that whatever waits for an outcome does something about it. */
  | { readonly type: 'late' }
  /** The process ends; what it has applied is found again. */
  | { readonly type: 'crash' }
  /** A process starts. */
  | { readonly type: 'start' }
  /** The state is replaced by the agreed one of this number, and the core starts anew. */
  | { readonly type: 'snapshot'; readonly agreed: number }

/** What a packet core is told. */
export type PacketInput =
  | { readonly type: 'control'; readonly message: ToPackets }
  | { readonly type: 'inbound'; readonly number: number }
  | { readonly type: 'outbound' }
  | { readonly type: 'request' }
  | { readonly type: 'mesh'; readonly from: string; readonly octets: Bytes }
  | { readonly type: 'tick' }
  | { readonly type: 'restart' }

/** What any of them does. */
export type Effect =
  /** Of a control core. `input`: its packet core's. */
  | { readonly type: 'to-packets'; readonly input: number }
  /** `waits`: the process wants to know what becomes of it. */
  | { readonly type: 'propose'; readonly command: number; readonly waits: boolean }
  /** Of a packet core. */
  | { readonly type: 'to-control'; readonly input: number }
  | { readonly type: 'mesh'; readonly to: string; readonly octets: Bytes }
  | { readonly type: 'esp'; readonly spi: number; readonly number: number; readonly to: string; readonly octets: Bytes }
  | { readonly type: 'ike'; readonly octets: Bytes }
  | { readonly type: 'inner'; readonly number: number; readonly source: string }
  /** Of the agreed state. */
  | { readonly type: 'result'; readonly result: Result }

export class Vocabulary {
  readonly control = new Interner<ControlInput>()
  readonly packets = new Interner<PacketInput>()
  readonly effects = new Interner<Effect>()
  /** Octets of commands. */
  readonly commands = new Interner<Bytes>()
}
