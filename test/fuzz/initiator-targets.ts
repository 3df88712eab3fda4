/** The built-in client against a hostile gateway: one that it shares keys with, whose answers and requests are made of real ones. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { IkeSaContext } from '../../src/context/session-context.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { IkeInitiator, InitiatorOptions, InitiatorOutput } from '../../src/ike/initiator.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { exchangeType, peekHeader } from '../../src/ike/wire/header.ts'
import { openMessage } from '../../src/ike/wire/message.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, toHex } from '../../src/kit/bytes.ts'
import { eapConfiguration, login } from '../ike/eap/eap-meeting.ts'
import { exchange, path } from '../ike/face-to-face.ts'
import { signingClient, signingConfiguration } from './certificates.ts'
import type { Damage, Finish, Part } from './chain.ts'
import { damaged, damages, partsOf, rawParts } from './chain.ts'
import { mutate, mutations } from './mutation.ts'
import { sealRaw } from './seal-raw.ts'
import { FuzzGateway, fuzzClient, fuzzConfiguration, mobikePayloads, strayParts } from './sessions.ts'
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
  (client) => client.move(path),
  (client) => client.deleteChild(0xd0000001),
  (client) => client.close(),
]

const HEADER = 28
const MAX_SENT_OCTETS = 8192
const MAX_CHILDREN = 2
const clientPhases = ['idle', 'init', 'auth', 'established', 'closed']

function pair(login: Login = logins[0]!): Pair {
  return { client: fuzzClient(login.client), gateway: new FuzzGateway(login.vpn) }
}

interface Login {
  readonly client: Partial<InitiatorOptions>
  readonly vpn: VpnConfiguration
}

/** By a pre-shared key, by certificates, and by EAP, whose last password is right. */
const logins: readonly Login[] = [
  { client: {}, vpn: fuzzConfiguration },
  { client: signingClient, vpn: signingConfiguration },
  { client: login('alice', 'clientPass'), vpn: eapConfiguration() },
  { client: login('alice', 'wrong', 'clientPass'), vpn: eapConfiguration() },
]

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
  finish?: Finish,
): Bytes {
  const { initiatorSpi, responderSpi, suite } = sa
  const keys = directionKeys(gateway.keysOf(sa), false)
  return sealRaw(nodeIkeCrypto, suite, keys, { initiatorSpi, responderSpi, ...like }, damaged(parts, damage, strayParts, finish))
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
  for (const damage of list) {
    const said: Part[] = []
    const output = client.handle(forge(gateway, sa, headOf(answer!), parts, damage, (all) => (said.push(...all), all)))
    assertSound(both, output)
    if (damage.octets.length === 0 && output.send !== null) assertPasswordKnown(parts, said)
    if (damage.octets.length === 0 && output.event !== null) assertProved(output.event.type, parts, said)
  }
}

/** A login goes on only with a gateway whose success has the proof that it knows the password (RFC 2759 §5: "S=" and 40 digits). */
function assertPasswordKnown(real: readonly Part[], said: readonly Part[]): void {
  const proofOf = (parts: readonly Part[]): string | null => {
    const body = parts.find(({ type }) => type === payloadType.eap)?.body
    const isSuccess = body !== undefined && body[0] === 1 && body[4] === 26 && body[5] === 3 && body.length > 6
    return isSuccess ? toHex(body.subarray(9, 9 + 42)) : null
  }
  if (proofOf(said) !== null) assert.equal(proofOf(said), proofOf(real), 'a login goes on with a gateway that does not know the password')
}

/** Nobody is believed who does not prove who it is, nor that a client has moved whose COOKIE2 did not come back (RFC 4555 §3.7). */
function assertProved(event: string, real: readonly Part[], said: readonly Part[]): void {
  const same = (type: number): void => assert.deepEqual(bodyOf(said, type), bodyOf(real, type), `${event} by another payload ${type}`)
  if (event === 'established') for (const type of [payloadType.idR, payloadType.auth]) same(type)
  const cookies = (list: readonly Part[]): readonly Part[] =>
    list.filter(({ type, body }) => type === payloadType.notify && body[2] === 0x40 && body[3] === 0x11)
  if (event === 'moved') assert.deepEqual(dataOf(cookies(said)[0]), dataOf(cookies(real)[0]), 'moved by another COOKIE2')
}

/** Of a notification, behind its SPI. */
function dataOf(part: Part | undefined): string | null {
  return part === undefined ? null : toHex(part.body.subarray(4 + part.body[1]!))
}

/** Of the first payload of the type, without its reserved octets; null: there is none. */
function bodyOf(parts: readonly Part[], type: number): string | null {
  const body = parts.find((part) => part.type === type)?.body
  return body === undefined ? null : toHex(body.subarray(0, 1)) + toHex(body.subarray(4))
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
    share: 10,
    name: 'the client in IKE_AUTH',
    values: record({ kind: fc.nat(logins.length - 1), rounds: fc.nat(4), list: some }),
    count: ({ list }) => list.length,
    check: ({ kind, rounds, list }) => {
      const both = pair(logins[kind])
      const [answer] = both.gateway.receive(both.client.start())
      let request = both.client.handle(answer!).send!
      // With EAP there are rounds before.
      for (let round = 0; kind >= 2 && round < rounds; round++)
        request = both.client.handle(both.gateway.receive(request)[0]!).send ?? request
      if (both.client.phase === 'auth') answerWith(both, request, list)
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
