/** The responder: whatever is in a datagram, and whatever an authenticated but hostile client puts inside the Encrypted payload. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { IkeSaContext } from '../../src/context/session-context.ts'
import { decideInit } from '../../src/ike/init.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { headerFlag, isFromInitiator, isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView } from '../../src/kit/bytes.ts'
import { gcmIke, path } from '../ike/face-to-face.ts'
import { decideBounded } from './bounds.ts'
import type { Damage } from './chain.ts'
import { damaged, damages, edgesOf, partsOf } from './chain.ts'
import { assertMeaningful } from './meaning.ts'
import { assertWithinLimits } from './limits.ts'
import { mutate, mutations } from './mutation.ts'
import { sealRaw } from './seal-raw.ts'
import type { Phase } from './sessions.ts'
import { FuzzGateway, fuzzClient, phases, requests, strayParts } from './sessions.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

const HEADER = 28
const initRequests = [fuzzClient().start(), fuzzClient({ ikeProposals: [gcmIke] }).start()]
const stranger = new FuzzGateway()
const cookie = { required: true, secrets: [{ version: 1, secret: new Uint8Array(32).fill(9) }] }

/** The length field says the truth, mostly: decoding goes deeper. */
function withLength(datagram: Bytes): Bytes {
  if (datagram.length >= HEADER) dataView(datagram).setUint32(24, datagram.length)
  return datagram
}

export function damagedInit(base: number, damage: Damage, header: readonly Parameters<typeof mutate>[1][number][]): Bytes {
  const request = initRequests[base % initRequests.length]!
  const chain = damaged(partsOf({ first: request[16]!, octets: request.subarray(HEADER) }), damage, strayParts)
  const head = mutate(request.subarray(0, HEADER), header)
  if (header.length === 0) head[16] = chain.first
  return withLength(concat(head, chain.octets))
}

function decideStrange(datagram: Bytes, required: boolean): void {
  decideBounded(stranger, () => decideInit(stranger.env, datagram, path, required ? { cookie } : {}))
}

/** A message under real keys. */
interface Hostile {
  readonly phase: number
  readonly sa: number
  readonly base: number
  /** Whether it is made of a request that fits the phase, and proved as IKE_AUTH wants it. */
  readonly fits: boolean
  readonly proves: boolean
  readonly damage: Damage
  /** 0: as the message that it was made of. */
  readonly exchange: number
  readonly id: 'expected' | 'last' | 'response' | 'other'
  readonly flags: number
  readonly padLength: number | null
  /** Number and total of a fragment; null: the whole message. */
  readonly fragment: readonly [number: number, total: number] | null
}

/** Where fragments begin and end, and where their numbers do (RFC 7383 §2.6). */
const numbers = fc.constantFrom(1, 2, 0, 63, 64, 65, 0xffff)

const mostly = fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false))

const hostile: fc.Arbitrary<Hostile> = record({
  phase: fc.nat(phases.length - 1),
  sa: fc.nat(3),
  base: fc.nat(0xffff),
  fits: mostly,
  proves: mostly,
  damage: damages,
  exchange: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 34, max: 44 }), fc.nat(255)),
  id: fc.oneof(
    { weight: 15, arbitrary: fc.constant('expected' as const) },
    fc.constantFrom('last' as const, 'response' as const, 'other' as const),
  ),
  flags: fc.oneof({ weight: 19, arbitrary: fc.constant(-1) }, fc.nat(255)),
  padLength: fc.oneof({ weight: 19, arbitrary: fc.constant(null) }, fc.nat(255)),
  fragment: fc.oneof({ weight: 14, arbitrary: fc.constant(null) }, fc.tuple(numbers, numbers)),
})

function saOf({ gateway }: Phase, one: Hostile): IkeSaContext {
  const { ikeSas } = gateway.established
  return ikeSas[one.sa % ikeSas.length]!
}

function hostileDatagram(phase: Phase, one: Hostile): Bytes {
  const { gateway, fitting, prove } = phase
  const sa = saOf(phase, one)
  const state = gateway.sas.get(sa.responderSpi)!
  const from = one.fits && fitting.length > 0 ? fitting : requests
  const message = from[one.base % from.length]!
  const ids = {
    expected: state.expectedRequest,
    last: Math.max(0, state.expectedRequest - 1),
    response: state.ownMessageId,
    other: 0xffff_ffff,
  }
  const flags = one.id === 'response' ? headerFlag.initiator | headerFlag.response : headerFlag.initiator
  const { initiatorSpi, responderSpi } = sa
  return sealRaw(
    nodeIkeCrypto,
    sa.suite,
    directionKeys(gateway.keysOf(sa), true),
    {
      initiatorSpi,
      responderSpi,
      exchange: one.exchange === 0 ? message.exchange : one.exchange,
      flags: one.flags === -1 ? flags : one.flags,
      messageId: ids[one.id],
    },
    damaged(message.parts, one.damage, strayParts, one.proves ? prove : undefined),
    one.padLength,
    one.fragment,
  )
}

export const responderTargets: readonly Target[] = [
  target({ name: 'a datagram of any octets', share: 20, values: octets(0, 300), check: (datagram) => decideStrange(datagram, false) }),
  target({
    name: 'IKE_SA_INIT',
    share: 40,
    values: record({
      base: fc.nat(),
      damage: damages,
      header: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, mutations),
      cookie: fc.boolean(),
    }),
    check: ({ base, damage, header, cookie: required }) => decideStrange(damagedInit(base, damage, header), required),
  }),
  target({
    name: 'payloads at their limits',
    share: 45,
    values: record({ phase: fc.nat(phases.length - 1), base: fc.nat(0xffff), damage: damages }),
    check: ({ phase, base, damage }) => {
      const { fitting } = phases[phase]!
      const { parts } = (fitting.length > 0 ? fitting : requests)[base % Math.max(1, fitting.length)]!
      assertWithinLimits(damaged(parts, damage, strayParts))
    },
  }),
  target({
    name: 'under real keys',
    share: 110,
    values: hostile,
    check: (one) => {
      const phase = phases[one.phase]!
      const datagram = hostileDatagram(phase, one)
      const decision = decideBounded(phase.gateway, () => phase.gateway.decideOnly(datagram))
      const header = peekHeader(datagram)!
      // An authentic request that is expected is answered, whatever is in it: its sender would repeat it for ever.
      const isDue = one.id === 'expected' && isFromInitiator(header) && !isResponse(header) && one.flags === -1 && one.fragment === null
      const sa = saOf(phase, one)
      const isOver = phase.gateway.established.phase === 'tombstone' || sa.deletedAt !== 0
      if (isDue) assert.equal(decision.type, isOver ? 'drop' : 'commit')
      assertMeaningful(phase.gateway, sa, datagram, decision)
    },
  }),
  target({
    name: 'sealed, then changed',
    share: 25,
    values: record({ one: hostile, changes: mutations }),
    check: ({ one, changes }) => {
      const phase = phases[one.phase]!
      const datagram = withLength(mutate(hostileDatagram(phase, one), changes, (bytes) => headerEdges(bytes)))
      decideBounded(phase.gateway, () => phase.gateway.decideOnly(datagram))
    },
  }),
]

function headerEdges(datagram: Bytes): ReturnType<typeof edgesOf> {
  const fixed = [16, 17, 18, 19, 23].map((at) => ({ at, length: 1 as const }))
  return [...fixed, ...edgesOf({ first: datagram[16] ?? 0, octets: datagram }, HEADER)]
}
