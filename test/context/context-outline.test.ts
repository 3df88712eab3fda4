import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ContextOutline } from '../../src/context/context-outline.ts'
import type { SessionContext } from '../../src/context/session-context.ts'
import { features } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { establishedContext } from '../support/contexts.ts'
import { sessionContext } from './arbitraries.ts'

/** All that it says. */
function said(outline: ContextOutline): unknown {
  const { phase, expiresAt, sealingKey, holder, addresses, ikeSas, children } = outline
  return {
    phase,
    expiresAt,
    sealingKey,
    holder,
    addresses: Array.from({ length: addresses }, (_, i) => [...outline.address(i)]),
    ikeSas: Array.from({ length: ikeSas }, (_, i) => [outline.spiHigh[i], outline.spiLow[i]]),
    children: Array.from({ length: children }, (_, i) => [outline.spiIn[i], outline.esn[i]]),
  }
}

function taken(context: SessionContext): unknown {
  const outline = new ContextOutline()
  outline.take(context)
  return said(outline)
}

/** Half of them ordinary, with an identity that some key proves. */
const contexts = fc
  .tuple(sessionContext, fc.boolean(), fc.constantFrom(1, 2, 3, 5, 9, 11), fc.nat(255))
  .map(([context, isOrdinary, type, bits]): SessionContext => {
    if (!isOrdinary) return context
    return {
      ...context,
      phase: 'established',
      halfOpen: null,
      features: bits & ~features.unauthenticated,
      ikeSas: context.ikeSas.map((sa) => ({ ...sa, task: null })),
      identity: context.identity === null ? null : { ...context.identity, type },
    }
  })

test('what is read from an encoding is what the whole context says', () => {
  const outline = new ContextOutline()
  let [read, proven, sealed] = [0, 0, 0]
  const property = fc.property(contexts, (context) => {
    if (!outline.read(encodeSessionContext(context))) return
    assert.deepEqual(said(outline), taken(context))
    read += 1
    if (outline.holder !== 0) proven += 1
    if (outline.sealingKey !== 0) sealed += 1
  })
  fc.assert(property, { numRuns: 3000, seed: 41 })
  assert.ok(
    read > 500 && proven > 100 && sealed > 100,
    `${read} were read, of ${proven} of them the holder is known, ${sealed} have one sealing key`,
  )
})

const ordinary = establishedContext(7n, [65_536], [Uint8Array.of(10, 77, 0, 1)])
const [sa] = ordinary.ikeSas as [SessionContext['ikeSas'][number]]
const identity = { type: 2, data: Uint8Array.of(0x41, 0x62) }

for (const [name, context] of [
  ['half-open', { ...ordinary, phase: 'half-open' }],
  ['ended', { ...ordinary, phase: 'tombstone' }],
  ['with a task of ours', { ...ordinary, ikeSas: [{ ...sa, task: { type: 're-anchor' } }] }],
  ['of nobody', { ...ordinary, features: features.unauthenticated }],
  ['of a distinguished name', { ...ordinary, identity: { ...identity, type: 9 } }],
  ['of a connection that is not named in ASCII', { ...ordinary, connection: 'büro' }],
] as const satisfies readonly (readonly [string, SessionContext])[]) {
  test(`a context is decoded whole: ${name}`, () => {
    assert.equal(new ContextOutline().read(encodeSessionContext(context)), false)
  })
}

test('of an ordinary one no octet is left out, and none may follow', () => {
  const encoded = encodeSessionContext({ ...ordinary, identity })
  const outline = new ContextOutline()
  assert.equal(outline.read(encoded), true)
  for (let length = 0; length < encoded.length; length++) assert.throws(() => outline.read(encoded.subarray(0, length)), DecodeError)
  assert.throws(() => outline.read(Uint8Array.of(...encoded, 0)), /end: expected nothing/)
})

test('any octets are refused, left to be decoded, or read as decoding reads them', () => {
  const outline = new ContextOutline()
  const encoded = encodeSessionContext({ ...ordinary, identity })
  const change = fc.tuple(fc.nat(encoded.length - 1), fc.nat(255))
  const property = fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
    const octets = Uint8Array.from(encoded)
    for (const [at, octet] of changes) octets[at] = octet
    try {
      if (outline.read(octets)) assert.deepEqual(said(outline), taken(decodeSessionContext(octets)))
    } catch (error) {
      // A name that is no UTF-8 is decoding's to find.
      if (!(error instanceof DecodeError)) throw error
    }
  })
  fc.assert(property, { numRuns: 3000, seed: 42 })
})
