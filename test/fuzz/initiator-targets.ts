/** The built-in client against a hostile gateway: one that it shares keys with, whose answers and requests are made of real ones. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { IkeSaContext } from '../../src/context/session-context.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { IkeInitiator, InitiatorOutput } from '../../src/ike/initiator.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { exchangeType, peekHeader } from '../../src/ike/wire/header.ts'
import { openMessage } from '../../src/ike/wire/message.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView } from '../../src/kit/bytes.ts'
import { exchange } from '../ike/face-to-face.ts'
import type { Damage, Part } from './chain.ts'
import { damaged, damages, partsOf, rawParts } from './chain.ts'
import { mutate, mutations } from './mutation.ts'
import { sealRaw } from './seal-raw.ts'
import { FuzzGateway, fuzzClient, mobikePayloads, strayParts } from './sessions.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

interface Pair {
  readonly client: IkeInitiator
  readonly gateway: FuzzGateway
}

/** What the client asks when the answer is fuzzed; null: nothing, the gateway asks. */
type Question = (client: IkeInitiator) => Bytes | null

const questions: readonly Question[] = [
  (client) => client.createChild({ spiIn: 0xd0000003, groups: [31, 0] }),
  (client) => client.rekeyChild(0xd0000001, { spiIn: 0xd0000002, groups: [31, 0] }),
  (client) => client.rekeyIke(),
  (client) => client.checkLiveness(),
  (client) => client.inform(mobikePayloads),
  (client) => client.deleteChild(0xd0000001),
  (client) => client.close(),
]

const HEADER = 28
const MAX_SENT_OCTETS = 8192
const MAX_CHILDREN = 2
const clientPhases = ['idle', 'init', 'auth', 'established', 'closed']

function pair(): Pair {
  return { client: fuzzClient(), gateway: new FuzzGateway() }
}

function established(): Pair {
  const both = pair()
  exchange({ ...both, events: [] }, both.client.start())
  return both
}

function assertSound({ client }: Pair, { send }: InitiatorOutput): void {
  assert.ok(clientPhases.includes(client.phase), client.phase)
  assert.ok(send === null || send.length <= MAX_SENT_OCTETS, `${send?.length} octets sent`)
  assert.ok(client.children.length <= MAX_CHILDREN, `${client.children.length} Child SAs`)
  assert.ok(client.phase !== 'closed' || client.pending === null)
}

/** What the gateway says under this IKE SA, with other payloads. */
function forge(
  gateway: FuzzGateway,
  sa: IkeSaContext,
  like: Pick<ReturnType<typeof headOf>, 'exchange' | 'messageId' | 'flags'>,
  parts: readonly Part[],
  damage: Damage,
): Bytes {
  const { initiatorSpi, responderSpi, suite } = sa
  const keys = directionKeys(gateway.keysOf(sa), false)
  return sealRaw(nodeIkeCrypto, suite, keys, { initiatorSpi, responderSpi, ...like }, damaged(parts, damage, strayParts))
}

function headOf(datagram: Bytes): { exchange: number; messageId: number; flags: number } {
  const { exchange: kind, messageId, flags } = peekHeader(datagram)!
  return { exchange: kind, messageId, flags }
}

/** The gateway's answer to the client's request, instead of which the client gets these. */
function answerWith(both: Pair, request: Bytes, list: readonly Damage[]): void {
  const { gateway, client } = both
  const sa = gateway.established.ikeSas.at(-1)!
  const [answer] = gateway.receive(request)
  const opened = openMessage(nodeIkeCrypto, sa.suite, directionKeys(gateway.keysOf(sa), false), answer!)
  assert.ok(opened.type === 'message')
  const parts = rawParts(opened.message.payloads)
  for (const damage of list) assertSound(both, client.handle(forge(gateway, sa, headOf(answer!), parts, damage)))
}

const some = fc.array(damages, { minLength: 1, maxLength: 3 })

export const initiatorTargets: readonly Target[] = [
  target({
    share: 5,
    name: 'the client before it has keys',
    values: record({ damage: damages, header: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, mutations), noise: octets(0, 60) }),
    check: ({ damage, header, noise }) => {
      const both = pair()
      assertSound(both, both.client.handle(noise))
      const [answer] = both.gateway.receive(both.client.pending ?? both.client.start())
      const chain = damaged(partsOf({ first: answer![16]!, octets: answer!.subarray(HEADER) }), damage, strayParts)
      const datagram = concat(mutate(answer!.subarray(0, HEADER), header), chain.octets)
      if (header.length === 0) datagram[16] = chain.first
      if (datagram.length >= HEADER) dataView(datagram).setUint32(24, datagram.length)
      assertSound(both, both.client.handle(datagram))
    },
  }),
  target({
    share: 5,
    name: 'the client in IKE_AUTH',
    values: some,
    count: (list) => list.length,
    check: (list) => {
      const both = pair()
      const [answer] = both.gateway.receive(both.client.start())
      answerWith(both, both.client.handle(answer!).send!, list)
    },
  }),
  target({
    share: 5,
    name: 'the client and answers',
    values: record({ question: fc.nat(questions.length - 1), list: some }),
    count: ({ list }) => list.length,
    check: ({ question, list }) => {
      const both = established()
      answerWith(both, questions[question]!(both.client)!, list)
    },
  }),
  target({
    share: 5,
    name: 'the client and requests',
    values: record({
      from: fc.nat(strayParts.length - 1),
      count: fc.nat(4),
      kind: fc.oneof(fc.constantFrom(exchangeType.informational, exchangeType.createChildSa), fc.nat(255)),
      list: some,
      asks: fc.boolean(),
    }),
    count: ({ list }) => list.length,
    check: ({ from, count, kind, list, asks }) => {
      const both = established()
      if (asks) both.client.checkLiveness()
      const sa = both.gateway.established.ikeSas[0]!
      for (const [messageId, damage] of list.entries()) {
        const parts = strayParts.slice(from, from + count)
        assertSound(both, both.client.handle(forge(both.gateway, sa, { exchange: kind, messageId, flags: 0 }, parts, damage)))
      }
    },
  }),
]
