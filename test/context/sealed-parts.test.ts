/** The list of what is sealed in a context is whole: what is not on it would stay under a former key, and be lost with it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mapSealed, sealingKeyOf } from '../../src/context/sealed-parts.ts'
import type { SessionContext } from '../../src/context/session-context.ts'
import { noSealingKey, sealedUnder } from '../../src/kit/sealer.ts'
import { establishedContext, halfOpenContext } from '../support/contexts.ts'
import { sessionContext } from './arbitraries.ts'

/** All that goes by a name of a secret, wherever it stands. */
function secretsIn(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const isSecret = ['secrets', 'secret', 'msk'].includes(name) && part instanceof Uint8Array
    return isSecret ? [part] : secretsIn(part)
  })
}

/** One IKE SA at least, as every context that is stored has. */
const stored = sessionContext.filter(({ ikeSas }) => ikeSas.length > 0)

test('every secret of a context is mapped, for a field of its own, and nothing else changes', () => {
  fc.assert(
    fc.property(stored, (context) => {
      const seen: Uint8Array[] = []
      const same = mapSealed(context, (_field, blob) => {
        seen.push(blob)
        return blob
      })
      assert.deepEqual(same, context)
      // Where there is nothing, nothing is sealed: halves of key exchanges and Master Session Keys may be empty, keys of SAs are not.
      const wanted = secretsIn(context).filter(({ length }) => length > 0)
      assert.deepEqual(new Set(seen.filter(({ length }) => length > 0)), new Set(wanted))
      const marked = mapSealed(context, () => Uint8Array.of(9, 9, 9, 9))
      for (const blob of secretsIn(marked)) assert.ok(blob.length === 0 || blob[0] === 9)
    }),
  )
})

test('a context is under one key, or under several', () => {
  const under = (context: SessionContext, ...keys: readonly number[]): number => {
    let i = 0
    return sealingKeyOf(mapSealed(context, () => Uint8Array.of(0, 0, 0, keys[i++ % keys.length]!, 1)))
  }
  const established = establishedContext(1n, [7, 8], [])
  assert.equal(under(established, 5), 5)
  assert.equal(under(established, 5, 6), noSealingKey)
  assert.equal(under(established, 5, 5, 6), noSealingKey)
  const halfOpen = halfOpenContext(1n)
  assert.equal(under(halfOpen, 5), 5)
  assert.equal(sealedUnder(halfOpen.ikeSas[0]!.secrets), sealingKeyOf(halfOpen))
})
