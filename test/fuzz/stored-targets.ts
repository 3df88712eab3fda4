/** What comes from disks and as snapshots from other gateways: a stream cut anywhere, records changed behind our back. */

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { ChainVerifier, encodeRecords } from '../../raft/entry-records.ts'
import type { Entry } from '../../raft/entry.ts'
import { makeEntry } from '../../raft/entry.ts'
import { findLevelLogDamage } from '../../raft/level-log.ts'
import type { StoredMeta } from '../../raft/stored-records.ts'
import { decodeMeta, encodeMeta } from '../../raft/stored-records.ts'
import { DecodeError as RaftDecodeError } from '../../raft/wire.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { compareBytes, concat, emptyBytes, toHex } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { MAX_KEY_OCTETS, sealRecord, Tally } from '../../src/store/checkpoint-records.ts'
import type { StreamRecord } from '../../src/store/checkpoint-stream.ts'
import { encodeStreamEnd, encodeStreamHead, encodeStreamRecord, StreamParser } from '../../src/store/checkpoint-stream.ts'
import { membership } from './arbitrary-raft.ts'
import { codecTargets } from './codec.ts'
import type { Mutation } from './mutation.ts'
import { mutate, mutations } from './mutation.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

const mark = { index: 300, term: 7, configuration: emptyBytes, position: emptyBytes }
const checksum = (bytes: Uint8Array, seed: number): number => crc32(bytes, seed)

type Pairs = readonly (readonly [key: Bytes, value: Bytes])[]

interface Stream {
  readonly pairs: Pairs
  /** The keys are in order, and there once. */
  readonly isSorted: boolean
  readonly cuts: readonly number[]
  readonly changes: readonly Mutation[]
}

/** Some keys are the same, or the beginning of another. */
const key = fc.oneof(
  octets(1, 9),
  fc.constantFrom([1], [1, 0], [1, 1], [2]).map((list) => Uint8Array.from(list)),
)
const pairs = fc.array(fc.tuple(key, octets(0, 40)), { maxLength: 6 })
const stream: fc.Arbitrary<Stream> = record({
  pairs,
  isSorted: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  cuts: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
  changes: fc.oneof(fc.constant([]), mutations),
})

function sorted(list: Pairs): Pairs {
  const byKey = new Map(list.map((pair) => [toHex(pair[0]), pair]))
  return [...byKey.values()].sort(([a], [b]) => compareBytes(a, b))
}

function streamCheck({ pairs: drawn, isSorted, cuts, changes }: Stream): void {
  const list = isSorted ? sorted(drawn) : drawn
  const tally = new Tally()
  const sealed = list.map(([key, value]): StreamRecord => {
    const { stored, checksum: sum } = sealRecord(key, value)
    tally.add(sum)
    return { key, stored }
  })
  const sent = concat(encodeStreamHead(mark), ...sealed.map(({ key, stored }) => encodeStreamRecord(key, stored)), encodeStreamEnd(tally))
  const changed = mutate(sent, changes)
  const taken = parseStream(changed, cuts)
  const isWhole = compareBytes(changed, sent) === 0
  const isOrdered = list.every(([key], i) => i === 0 || compareBytes(list[i - 1]![0], key) < 0)
  if (isWhole && isOrdered) assert.deepEqual(taken, sealed)
  if (isWhole && !isOrdered) assert.equal(taken, null, 'a snapshot whose keys are in no order')
  for (const [i, { key, stored }] of (taken ?? []).entries()) {
    assert.ok(key.length <= MAX_KEY_OCTETS && (i === 0 || compareBytes(taken![i - 1]!.key, key) < 0))
    assert.equal(toHex(sealRecord(key, stored.subarray(4)).stored), toHex(stored), 'a record with a wrong checksum')
  }
}

/** Null: it is refused. */
function parseStream(sent: Bytes, cuts: readonly number[]): readonly StreamRecord[] | null {
  const parser = new StreamParser(mark)
  const taken: StreamRecord[] = []
  try {
    for (let at = 0, i = 0; at < sent.length; i++) {
      const end = at + cuts[i % cuts.length]!
      for (const { key, stored } of parser.add(sent.subarray(at, end))) taken.push({ key: key.slice(), stored: stored.slice() })
      at = end
    }
    parser.finish()
    return taken
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return null
  }
}

// ---- the log of Raft

const integer = fc.maxSafeNat()
const u32 = fc.nat(0xffff_ffff)
const name = fc.string({ maxLength: 8 })

const meta: fc.Arbitrary<StoredMeta> = record({
  lives: fc
    .tuple(integer, fc.array(u32, { maxLength: 3 }), fc.boolean(), integer, fc.array(fc.tuple(name, integer, u32), { maxLength: 3 }))
    .map(([bootCounter, nonces, isRejoining, caughtUpIn, peers]) => ({
      bootCounter,
      nonces,
      isRejoining,
      caughtUpIn,
      peers: new Map(peers.map(([id, boot, nonce]) => [id, { bootCounter: boot, nonce }])),
    })),
  firstIndex: integer,
  baseTerm: integer,
  baseChecksum: u32,
  baseConfiguration: fc.option(membership),
  lastIndex: integer,
  lastChecksum: u32,
  hardState: record({ currentTerm: integer, votedFor: fc.option(fc.string({ minLength: 1, maxLength: 8 })) }),
  cluster: name,
  server: name,
})

interface StoredLog {
  readonly list: readonly (readonly [step: number, data: Bytes])[]
  readonly at: number
  readonly changes: readonly Mutation[]
}

/** A log that was written, and one of whose records is another one when it is read. */
function chainCheck({ list, at, changes }: StoredLog): void {
  let term = 1
  const entries = list.map(([step, data], i): Entry => makeEntry(5 + i, (term += step), 'command', data))
  const sums: number[] = []
  for (const { encoded } of entries) sums.push(checksum(encoded, sums.at(-1) ?? 9))
  const records = encodeRecords(entries, sums)
  const stored: StoredMeta = {
    lives: { bootCounter: 1, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() },
    firstIndex: 5,
    baseTerm: 1,
    baseChecksum: 9,
    baseConfiguration: null,
    lastIndex: 4 + entries.length,
    lastChecksum: sums.at(-1) ?? 9,
    hardState: { currentTerm: term, votedFor: null },
    cluster: 'c',
    server: 's',
  }
  const read = records.map((one, i) => (i === at % records.length ? { ...one, value: mutate(one.value, changes) } : one))
  const verifier = new ChainVerifier(stored, checksum)
  let damage: string | null = null
  for (const [i, one] of read.entries()) damage ??= verifier.add(one, read[i + 1]?.firstIndex ?? Infinity)
  damage ??= verifier.finish()
  if (damage !== null) return
  assert.deepEqual(
    verifier.entries.map(({ encoded }) => toHex(encoded)),
    entries.map(({ encoded }) => toHex(encoded)),
    'another log than was written',
  )
}

export const storedTargets: readonly Target[] = [
  target({ name: 'a snapshot stream', share: 20, values: stream, check: streamCheck }),
  ...codecTargets({
    name: "a log's meta record",
    share: 5,
    values: meta,
    encode: (value) => encodeMeta(value, checksum),
    // A change is seen by the checksum; so that more than that is looked at, it is right again.
    decode: (bytes) => decodeMeta(bytes.length < 5 ? bytes : withChecksum(bytes), checksum),
    error: RaftDecodeError,
    canonical: false,
  }),
  target({
    name: "a log's records",
    share: 10,
    values: record({
      list: fc.array(fc.tuple(fc.nat(2), octets(0, 30)), { maxLength: 5 }),
      at: fc.nat(9),
      changes: fc.oneof(fc.constant([]), mutations),
    }),
    check: chainCheck,
  }),
  target({
    name: "LevelDB's log",
    share: 5,
    values: octets(0, 200),
    check: (bytes) => void findLevelLogDamage(bytes),
  }),
]

function withChecksum(bytes: Uint8Array): Uint8Array {
  const changed = new Uint8Array(bytes)
  new DataView(changed.buffer).setUint32(changed.length - 4, checksum(changed.subarray(0, -4), 0))
  return changed
}
