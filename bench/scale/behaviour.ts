/**
 * What a session does, the same however many there are: of a hundred one has a call, one loads pages, eighteen send every twenty seconds, and the
 * others are idle; and all of them have their exchanges: a Child SA is rekeyed once an hour, the IKE SA every four hours, and who is idle is asked
 * once in five minutes whether it is there.
 */

import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { encodeReply } from '../../src/gateway/reply.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { CommitExchange } from '../../src/session/commands.ts'
import { encodeCommand } from '../../src/session/commands.ts'
import { createState } from '../../src/session/state.ts'
import { bringUp, childContext, establish, establishedContext, exchangeCommand } from '../../test/support/contexts.ts'
import type { Pattern } from '../grants/traffic.ts'
import { patterns } from '../grants/traffic.ts'

/** Of a hundred sessions; the rest is idle. */
const shares: readonly (readonly [name: string, sessions: number])[] = [
  ['steady', 1],
  ['bursty', 1],
  ['sparse', 18],
]
const IDLE_SHARE = 0.8

export const mix: Pattern = {
  name: 'mix',
  about: '1 % calls, 1 % pages, 18 % a packet each way every 20 s, 80 % idle',
  next(source, nowMs, random) {
    return patternOf(source.index)?.next(source, nowMs, random) ?? null
  },
}

/** Null: idle. */
function patternOf(index: number): Pattern | null {
  let place = index % 100
  for (const [name, sessions] of shares) {
    if (place < sessions) return patterns.find((pattern) => pattern.name === name)!
    place -= sessions
  }
  return null
}

/** A kind of exchange: what it commits, and how many a second one session has. */
interface ExchangeKind {
  readonly octets: Bytes
  readonly perSecond: number
}

/** Octets of an answer to a rekeying, as a stock client gets them: a key exchange with X25519, a nonce, a proposal; encrypted. */
const REKEY_REPLY_OCTETS = 240

const kinds: readonly ExchangeKind[] = exchangeKinds()

function exchangeKinds(): readonly ExchangeKind[] {
  const state = createState()
  const [incarnation] = bringUp(state, 'sg1')
  const spi = 77n << 32n
  const address = Uint8Array.of(10, 77, 0, 1)
  const session = establish(state, incarnation!, spi, 4242, address)
  const plain = establishedContext(spi, [4242], [address])
  const other = (context: typeof plain | null, reply: Bytes): CommitExchange => ({
    ...exchangeCommand(state, session, { ikeSpi: spi, messageId: 2, context: plain }),
    reply,
    context: context === null ? null : encodeSessionContext(context),
  })
  const answer = encodeReply({ type: 'datagrams', datagrams: [new Uint8Array(REKEY_REPLY_OCTETS)] })
  const nothing = encodeReply({ type: 'empty', iv: new Uint8Array(8) })
  // While a Child SA is rekeyed the session has both; the DELETE of the old one leaves the new one.
  const rekeyed = { ...plain, children: [childContext(4242), childContext(4243)] }
  const withSuccessor = { ...plain, ikeSas: [plain.ikeSas[0]!, { ...plain.ikeSas[0]!, responderSpi: spi + 1n }] }
  const perHour = (times: number): number => times / 3600
  return [
    { octets: encodeCommand(other(rekeyed, answer)), perSecond: perHour(1) },
    { octets: encodeCommand(other(plain, nothing)), perSecond: perHour(1) },
    { octets: encodeCommand(other(withSuccessor, answer)), perSecond: perHour(1 / 4) },
    { octets: encodeCommand(other(plain, nothing)), perSecond: perHour(1 / 4) },
    { octets: encodeCommand(other(null, nothing)), perSecond: IDLE_SHARE / 300 },
  ]
}

export interface Timed {
  readonly atMs: number
  readonly octets: Bytes
}

/** The exchanges of so many sessions in so long, at drawn moments. */
export function exchangesOf(sessions: number, durationMs: number, random: SeededRandom): readonly Timed[] {
  return kinds.flatMap(({ octets, perSecond }) => {
    const mean = (sessions * perSecond * durationMs) / 1000
    const count = Math.floor(mean) + (random.fraction() < mean % 1 ? 1 : 0)
    return Array.from({ length: count }, () => ({ atMs: Math.floor(random.fraction() * durationMs), octets }))
  })
}
