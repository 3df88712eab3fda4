/** Two targets a codec: what was encoded comes out as it went in; and any octets decode, or are refused with a DecodeError, and nothing else. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Bytes } from '../../src/kit/bytes.ts'
import { mutate, mutations } from './mutation.ts'
import type { Edge } from './mutation.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

export interface Codec<T> {
  readonly name: string
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T) => Bytes
  readonly decode: (bytes: Bytes) => T
  /** What its decoder throws. */
  readonly error: new (message: string) => Error
  /** As of a target, of what comes there and back; of other octets there are twice as many. Default: 10. */
  readonly share?: number
  /** Whether one value has one encoding only, so that octets that decode are those that it encodes to. Default: yes. */
  readonly canonical?: boolean
  readonly edges?: (bytes: Bytes) => readonly Edge[]
}

/** A decoder may not make more of its octets than so many times as much memory; strings and objects cost. */
const MAX_NODES_AN_OCTET = 8

export function codecTargets<T>(codec: Codec<T>): readonly Target[] {
  const { name, values, encode, decode, share = 10 } = codec
  return [
    target({
      name: `${name} there and back`,
      share,
      values,
      check: (value) => assert.deepEqual(decode(encode(value)), value),
    }),
    target({
      name: `${name} of other octets`,
      share: 2 * share,
      values: fc.oneof({ weight: 5, arbitrary: record({ value: values, changes: mutations }) }, octets(0, 120)),
      check: (input) => {
        const bytes = input instanceof Uint8Array ? input : mutate(encode(input.value), input.changes, codec.edges)
        assertDecodes(codec, bytes)
      },
    }),
  ]
}

function assertDecodes<T>({ decode, encode, error, canonical = true }: Codec<T>, bytes: Bytes): void {
  let value: T
  try {
    value = decode(bytes)
  } catch (thrown) {
    if (!(thrown instanceof error)) throw thrown
    return
  }
  const nodes = countNodes(value)
  assert.ok(nodes <= 64 + MAX_NODES_AN_OCTET * bytes.length, `${nodes} values from ${bytes.length} octets`)
  const again = encode(value)
  if (canonical) assert.deepEqual(again, new Uint8Array(bytes))
  else assert.deepEqual(decode(again), value)
}

/** Values in a value, however deep. */
function countNodes(value: unknown): number {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return 1
  const parts: readonly unknown[] = value instanceof Map ? [...value.entries()].flat() : Object.values(value)
  return parts.reduce<number>((sum, part) => sum + countNodes(part), 1)
}
