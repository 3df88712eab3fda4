import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../src/kit/bytes.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { trafficOf } from '../../src/session/accounts.ts'
import { apply } from '../../src/session/apply.ts'
import { Changes } from '../../src/session/changes.ts'
import type { CheckpointRecord } from '../../src/session/checkpoint.ts'
import { Checkpointer, StateRestorer, restoreState } from '../../src/session/checkpoint.ts'
import type { Command } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { digest, ownership, sessionByRequest } from '../../src/session/view.ts'
import { CheckpointRecords, checkpoint } from '../support/checkpoint-records.ts'
import { bringUp, createCommand, establish, establishCommand, wallMs } from '../support/contexts.ts'
import { anyCommand } from '../support/random-commands.ts'

type Bytes = Uint8Array
const address = (n: number): Bytes => Uint8Array.of(10, 77, n >> 8, n & 255)

function restored(records: Iterable<readonly [Bytes, Bytes]>): State {
  const state = createState()
  restoreState(state, records)
  return state
}

/**
 * Random commands with checkpoints in between, begun at random moments and given bit by bit, some of them abandoned. What is restored from
 * the written ones must be the state at the last one's beginning, octet for octet, and go on like the original.
 */
function walk(seed: number): void {
  const random = new SeededRandom(seed)
  const below = (bound: number): number => randomBelow(random, bound)
  const state = createState()
  // Looking at the state itself would store what was derived.
  const planner = createState()
  const checkpointer = new Checkpointer(state)
  const records = new CheckpointRecords()
  const spis = { ike: 0n, child: 65_536 }
  const commands: Command[] = []
  let atBegin: { readonly digest: string; readonly applied: number } | null = null
  let given: CheckpointRecord[] = []
  for (let step = 0; step < 220; step++) {
    if (atBegin === null && below(12) === 0) {
      checkpointer.begin()
      atBegin = { digest: digest(planner), applied: commands.length }
      given = []
    }
    if (atBegin !== null && below(3) === 0) {
      const page = checkpointer.next(1 + below(6))
      given.push(...page)
      if (below(40) === 0) {
        checkpointer.abandon()
        atBegin = null
      } else if (page.length === 0) {
        const keys = given.map(({ key }) => toHex(key))
        assert.equal(new Set(keys).size, keys.length, `seed ${seed}: each key comes once`)
        records.write(given)
        const copy = restored(records)
        assert.equal(digest(copy), atBegin.digest, `seed ${seed} step ${step}`)
        goOn(copy, replayed(commands.slice(0, atBegin.applied)), commands.slice(atBegin.applied), seed)
        atBegin = null
      }
    }
    const command = anyCommand(planner, random, spis)
    commands.push(command)
    apply(state, command)
    apply(planner, command)
  }
}

function replayed(commands: readonly Command[]): State {
  const state = createState()
  for (const command of commands) apply(state, command)
  return state
}

/** Both give the same for what followed, and for a while after. */
function goOn(copy: State, original: State, commands: readonly Command[], seed: number): void {
  const random = new SeededRandom(seed)
  const spis = { ike: 1n << 20n, child: 90_000 }
  for (let i = 0; i < commands.length + 30; i++) {
    const command = commands[i] ?? anyCommand(original, random, spis)
    assert.deepEqual(apply(copy, command), apply(original, command), `seed ${seed}: ${command.type}`)
  }
  assert.equal(digest(copy), digest(original), `seed ${seed}: after all`)
  assert.deepEqual([copy.applied, copy.historyHash], [original.applied, original.historyHash], `seed ${seed}`)
}

test('records of checkpoints under way beside apply restore to the state at the begin of the last, which goes on like the original', () => {
  for (let seed = 1; seed <= 25; seed++) walk(seed)
})

test('marking a row after it has changed is found', () => {
  const original = Changes.prototype.before
  const late: (() => void)[] = []
  Changes.prototype.before = function (row, parts) {
    late.push(() => original.call(this, row, parts))
    if (late.length > 1) late.shift()!()
  }
  try {
    assert.throws(() => {
      for (let seed = 1; seed <= 20; seed++) walk(seed)
    })
  } finally {
    Changes.prototype.before = original
  }
})

function two(): { state: State; checkpointer: Checkpointer; a: number; first: number; second: number } {
  const state = createState()
  const [a] = bringUp(state, 'sg1', 'sg2') as [number, number]
  const first = establish(state, a, 1n, 65_536, address(1))
  const second = establish(state, a, 2n, 65_537, address(2))
  return { state, checkpointer: new Checkpointer(state), a, first, second }
}

const keysOf = (records: readonly CheckpointRecord[]): string[] => records.map(({ key }) => toHex(key))
const motionOf = (session: number): string => `73${session.toString(16).padStart(16, '0')}02`
const contextOf = (session: number): string => `73${session.toString(16).padStart(16, '0')}01`

test('a checkpoint gives what changed since the last: of a grant the small record of its session, of an exchange both', () => {
  const { state, checkpointer, a, first, second } = two()
  assert.equal(checkpoint(checkpointer).length, 4 + 4)
  assert.deepEqual(checkpoint(checkpointer), [])
  const grants = [{ session: first, epoch: 1, serial: 1, packetsPerSecond: 5, remote: null, children: [] }]
  apply(state, { type: 'advance', incarnation: a, tick: 3, grants, renewals: [] })
  const records = checkpoint(checkpointer)
  assert.deepEqual(keysOf(records), ['6700', '6702', motionOf(first)], 'the history, the tick, the session')
  assert.ok(records[2]!.value!.length < 100)
  apply(state, { ...establishCommand(state, second, 2n, [], [], 2), context: null })
  assert.deepEqual(keysOf(checkpoint(checkpointer)), ['6700', contextOf(second), motionOf(second)])
})

test('the end of a session is given once, and only if the session was', () => {
  const { state, checkpointer, a, first } = two()
  checkpoint(checkpointer)
  const end = (session: number): void => {
    const { epoch, version } = ownership(state, session)!
    assert.equal(apply(state, { type: 'end-session', incarnation: a, session, epoch, version, nowMs: wallMs }).type, 'done')
  }
  const third = establish(state, a, 3n, 65_538, address(3))
  end(third)
  end(first)
  const ends = checkpoint(checkpointer).filter(({ value }) => value === null)
  assert.deepEqual(keysOf(ends), [contextOf(first), motionOf(first)])
  assert.deepEqual(checkpoint(checkpointer), [])
})

test('an abandoned checkpoint is given again, ends of sessions too', () => {
  const { state, checkpointer, a, first, second } = two()
  checkpoint(checkpointer)
  const { epoch, version } = ownership(state, first)!
  apply(state, { type: 'end-session', incarnation: a, session: first, epoch, version, nowMs: wallMs })
  apply(state, { ...establishCommand(state, second, 2n, [], [], 2), context: null })
  for (const slices of [0, 1, 100]) {
    checkpointer.begin()
    for (let i = 0; i < slices; i++) checkpointer.next(1)
    checkpointer.abandon()
  }
  checkpointer.abandon()
  const keys = keysOf(checkpoint(checkpointer)).filter((key) => key.startsWith('73'))
  assert.deepEqual(keys.toSorted(), [contextOf(first), motionOf(first), contextOf(second), motionOf(second)].toSorted())
})

test('a checkpoint that was under way when the state was restored gives nothing more; the next one does', () => {
  const { state, checkpointer, first } = two()
  const records = checkpoint(checkpointer)
  apply(state, { ...establishCommand(state, first, 1n, [], [], 2), context: null })
  checkpointer.begin()
  checkpointer.next(1)
  const store = new CheckpointRecords()
  store.write(records)
  restoreState(state, store)
  assert.throws(() => checkpointer.next(1), /restored since/)
  checkpointer.abandon()
  assert.deepEqual(
    keysOf(checkpoint(checkpointer)).filter((key) => key.startsWith('73')),
    [],
    'the store has all of it',
  )
  apply(state, { ...establishCommand(state, first, 1n, [], [], 2), context: null })
  assert.deepEqual(keysOf(checkpoint(checkpointer)).slice(-2), [contextOf(first), motionOf(first)])
})

test('two checkpoints at once are a mistake', () => {
  const { checkpointer } = two()
  checkpointer.begin()
  assert.throws(() => checkpointer.begin(), /given to its end, or abandoned/)
})

test('a restored state replaces what the object held, for all who look at it', () => {
  const { state, checkpointer, first } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  const before = digest(state)
  establish(state, 1, 9n, 65_550, address(9))
  restoreState(state, records)
  assert.equal(digest(state), before)
  assert.equal(ownership(state, first)!.owner, 1)
})

test('a remembered IKE_SA_INIT request is forgotten by a restored state when it is by the original', () => {
  const { state, checkpointer } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  const copy = restored(records)
  for (const one of [state, copy]) {
    assert.notEqual(sessionByRequest(one, createCommand(1, 1n).requestHash), null)
    apply(one, { ...createCommand(1, 60n), nowMs: wallMs + 60_000 })
    assert.equal(sessionByRequest(one, createCommand(1, 1n).requestHash), null)
  }
})

test('records come in any order', () => {
  const { state, checkpointer } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  assert.equal(digest(restored([...records].reverse())), digest(state))
})

test('what was handed over by a page is the restored state’s own: the memory may become something else', () => {
  const { state, checkpointer } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  const pairs = [...records]
  for (let size = 1; size <= pairs.length; size++) {
    const copy = createState()
    const restorer = new StateRestorer(copy)
    for (let from = 0; from < pairs.length; from += size) {
      const page = pairs.slice(from, from + size).map(([key, value]) => [Uint8Array.from(key), Uint8Array.from(value)] as const)
      for (const [key, value] of page) restorer.add(key, value)
      restorer.settle()
      for (const octets of page.flat()) octets.fill(0xff)
    }
    restorer.finish()
    assert.equal(digest(copy), digest(state), `pages of ${size}`)
  }
})

test('an unknown version of any record is refused by name', () => {
  const { checkpointer } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  const pairs = [...records]
  const names = [
    'basics',
    'vpn',
    'gateways',
    'resting',
    'session 1: context',
    'session 1: motion',
    'session 2: context',
    'session 2: motion',
  ]
  assert.equal(pairs.length, names.length)
  pairs.forEach(([key, value], i) => {
    const changed = pairs.with(i, [key, Uint8Array.of(9, ...value.subarray(1))])
    const name = names[i]!
    const newest: Readonly<Record<string, string>> = { resting: '2', gateways: '3' }
    const expected = newest[name] ?? (name.endsWith('motion') ? '1 to 4' : '1')
    assert.throws(() => restored(changed), new DecodeError(`${name} record.version: expected ${expected}, got 9`))
  })
})

test('a session with numbers beyond 2^32 is told by its record, and restored', () => {
  const state = createState()
  const [a] = bringUp(state, 'sg1') as [number]
  const checkpointer = new Checkpointer(state)
  const session = establish(state, a, 1n, 65_536, Uint8Array.of(10, 77, 0, 1), 1)
  const children = [{ spiIn: 65_536, ceiling: { wanted: 2 ** 40, rate: 3 }, horizon: { wanted: 2 ** 32 + 7, rate: 5, shrink: false } }]
  const grants = [{ session, epoch: 1, serial: 1, packetsPerSecond: 0, remote: null, children }]
  apply(state, { type: 'advance', incarnation: a, tick: 1, grants, renewals: [] })
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  assert.equal([...records].at(-1)![1][0], 2)
  assert.equal(digest(restored(records)), digest(state))
})

test('when a session began and what it carried is in its record, and written again when it has carried more', () => {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  const [a] = bringUp(state, 'sg1') as [number]
  const checkpointer = new Checkpointer(state)
  const session = establish(state, a, 1n, 65_536, Uint8Array.of(10, 77, 0, 1))
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  apply(state, { type: 'account', sessions: [{ session, packetsIn: 1, packetsOut: 2, octetsIn: 2 ** 40, octetsOut: 200 }] })
  records.write(checkpoint(checkpointer))
  assert.equal([...records].at(-1)![1][0], 3)
  assert.equal(digest(restored(records)), digest(state))
  assert.deepEqual(trafficOf(restored(records), session), trafficOf(state, session))
})

test('a missing record, a cut one, one too many, an unknown key and counts that do not fit are refused', () => {
  const { checkpointer } = two()
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  const pairs = [...records]
  for (let i = 0; i < pairs.length; i++) {
    assert.throws(() => restored(pairs.toSpliced(i, 1)), DecodeError, 'missing')
    assert.throws(() => restored([...pairs, pairs[i]!]), DecodeError, 'twice')
    const [key, value] = pairs[i]!
    for (let length = 0; length < value.length; length++)
      assert.throws(() => restored(pairs.with(i, [key, value.subarray(0, length)])), DecodeError, `cut at ${length}`)
    assert.throws(() => restored(pairs.with(i, [key, Uint8Array.of(...value, 0)])), /end: expected nothing/)
  }
  assert.throws(() => restored(pairs.toSpliced(5, 1)), /session 1 has no motion record/)
  assert.throws(() => restored(pairs.toSpliced(4, 1)), /session 1 has no context record/)
  assert.throws(() => restored([...pairs, [Uint8Array.of(7), new Uint8Array(0)]]), /kind: expected a known one, got 7/)
  const swapped = pairs.with(5, [pairs[5]![0], pairs[7]![1]])
  assert.throws(() => restored(swapped), /session 1: motion record.spiIn: expected 65536 as in the context, got 65537/)
})

test('a record of gateways of version 1, which does not say who comes and goes, is read', () => {
  const state = createState()
  bringUp(state, 'sg1', 'sg2')
  const records = new CheckpointRecords()
  records.write(checkpoint(new Checkpointer(state)))
  const older = [...records].map(([key, value]): [Uint8Array, Uint8Array] => {
    const place = indexOfText(value, 'sg1')
    if (value[0] !== 2 || place === -1) return [key, value]
    // After the names, incarnations, draining and one nonce of 8 octets: 0 for the backoff and 0 falls.
    const octets = [...value]
    for (const id of ['sg2', 'sg1']) octets.splice(indexOfText(value, id) + 3 + 1 + 1 + 1 + 8, 2)
    return [key, Uint8Array.of(1, ...octets.slice(1))]
  })
  assert.equal(digest(restored(older)), digest(state))
})

test('what cluster version 2 brought is in a checkpoint only from then on: an older build reads those before', () => {
  const state = createState()
  bringUp(state, 'sg1')
  const checkpointer = new Checkpointer(state)
  const reserve = {
    type: 'reserve-addresses',
    nowMs: wallMs,
    addresses: [{ address: Uint8Array.of(10, 77, 0, 9), holder: 'rw 2 616c' }],
  } as const
  assert.deepEqual(apply(state, reserve), { type: 'refused', reason: 'cluster-version' })
  const records = new CheckpointRecords()
  records.write(checkpoint(checkpointer))
  assert.equal([...records].length, 4)
  assert.equal(apply(state, { type: 'set-cluster-version', version: 2 }).type, 'done')
  assert.deepEqual(apply(state, { type: 'set-cluster-version', version: 1 }), { type: 'refused', reason: 'cluster-version' })
  assert.equal(apply(state, reserve).type, 'done')
  records.write(checkpoint(checkpointer))
  const copy = restored(records)
  assert.equal([...records].length, 7)
  assert.equal(digest(copy), digest(state))
  assert.deepEqual([copy.clusterVersion, copy.reserved.of('rw 2 616c')], [2, ['0a4d0009']])
  const pairs = [...records]
  for (const i of [4, 5, 6]) assert.throws(() => restored(pairs.toSpliced(i, 1)), /record is missing/)
})

function indexOfText(octets: Uint8Array, text: string): number {
  return Buffer.from(octets).indexOf(text)
}
