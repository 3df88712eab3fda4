/** What one datagram may make a gateway do, at most. A decision beyond it is a way to wear the gateway out. */

import assert from 'node:assert/strict'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { SessionContext } from '../../src/context/session-context.ts'
import type { Decision, Reply } from '../../src/ike/decision.ts'
import { ikeDropReasons } from '../../src/ike/decision.ts'
import type { Fragment } from '../../src/ike/wire/fragment.ts'
import { maximumFragments } from '../../src/ike/wire/fragment.ts'
import { decodeReply, encodeReply } from '../../src/gateway/reply.ts'
import type { FuzzGateway, Taken } from './sessions.ts'

/** An answer that nothing is remembered of is smaller than what asked for it: nobody is flooded by way of us. */
const ANSWER_OCTETS = 200
const REPLY_OCTETS = 3072
const REPLY_DATAGRAMS = 16
/** A half-open session keeps the request and the answer; an established one 16 Child SAs with 16 selectors a side. */
const CONTEXT_OCTETS = 48 * 1024
const taken: Taken = { ivs: 1, spis: 1, addresses: 8, keyExchanges: 1, randomOctets: 64 }

/** The decision, once it is seen to be bounded. */
export function decideBounded(gateway: FuzzGateway, decide: () => Decision): Decision {
  gateway.take()
  const decision = decide()
  assertBounded(gateway, decision)
  return decision
}

function assertBounded(gateway: FuzzGateway, decision: Decision): void {
  for (const [what, count] of Object.entries(gateway.take())) {
    assert.ok(count <= taken[what as keyof Taken], `${what}: ${count} taken, at most ${taken[what as keyof Taken]} expected`)
  }
  switch (decision.type) {
    case 'drop':
      assert.ok(ikeDropReasons.includes(decision.reason), decision.reason)
      return
    case 'answer':
      assert.ok(octetsOf(decision.datagrams) <= ANSWER_OCTETS, `an answer of ${octetsOf(decision.datagrams)} octets`)
      return
    case 'create':
    case 'commit':
      assertReply(decision.reply)
      if (decision.context !== null) assertContext(decision.context)
      return
    case 'response':
      if (decision.context !== null) assertContext(decision.context)
      return
    case 'fragment':
      return assertFragment(decision.fragment)
    case 'repeat':
  }
}

function assertFragment({ number, total }: Fragment): void {
  assert.ok(number >= 1 && number <= total && total <= maximumFragments, `fragment ${number} of ${total}`)
}

function octetsOf(datagrams: readonly Uint8Array[]): number {
  return datagrams.reduce((sum, { length }) => sum + length, 0)
}

function assertReply(reply: Reply): void {
  assert.deepEqual(decodeReply(encodeReply(reply)), reply)
  if (reply.type !== 'datagrams') return
  assert.ok(reply.datagrams.length <= REPLY_DATAGRAMS, `${reply.datagrams.length} datagrams`)
  assert.ok(octetsOf(reply.datagrams) <= REPLY_OCTETS, `a reply of ${octetsOf(reply.datagrams)} octets`)
}

/** It passes through the log: what its codec would refuse there, nobody could ever answer. */
function assertContext(context: SessionContext): void {
  for (const [what, count, most] of sizesOf(context)) assert.ok(count <= most, `${what}: ${count}, at most ${most} expected`)
  const encoded = encodeSessionContext(context)
  assert.ok(encoded.length <= CONTEXT_OCTETS, `a context of ${encoded.length} octets`)
  assert.deepEqual(decodeSessionContext(encoded), context)
}

function sizesOf({ children, ikeSas, virtualIps, identity }: SessionContext): readonly (readonly [string, number, number])[] {
  return [
    ['Child SAs', children.length, 16],
    ['IKE SAs', ikeSas.length, 4],
    ['addresses', virtualIps.length, 2],
    ['octets of identity', identity?.data.length ?? 0, 512],
    ['selectors', Math.max(0, ...children.flatMap(({ localTs, remoteTs }) => [localTs.length, remoteTs.length])), 16],
  ]
}
