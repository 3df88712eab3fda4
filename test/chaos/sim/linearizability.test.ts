import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Model, Operation } from '../../../chaos/sim/linearizability.ts'
import { checkByKey, checkLinearizability, describeFailure } from '../../../chaos/sim/linearizability.ts'
import type { RegisterInput, RegisterOutput } from '../../../chaos/sim/register.ts'
import { applyToRegister, registerModel } from '../../../chaos/sim/register.ts'

type RegisterOperation = Operation<RegisterInput, RegisterOutput>

const key = 'x'

function write(client: string, call: number, end: number, value: number): RegisterOperation {
  return { client, call, return: end, input: { type: 'write', key, value }, output: end === Infinity ? null : value }
}

function read(client: string, call: number, end: number, value: number): RegisterOperation {
  return { client, call, return: end, input: { type: 'read', key }, output: value }
}

function compareAndSet(client: string, call: number, end: number, expected: number, value: number, isSet: boolean): RegisterOperation {
  return { client, call, return: end, input: { type: 'compareAndSet', key, expected, value }, output: end === Infinity ? null : isSet }
}

const histories: readonly {
  readonly title: string
  readonly isLinearizable: boolean
  readonly operations: readonly RegisterOperation[]
}[] = [
  { title: 'nothing', isLinearizable: true, operations: [] },
  { title: 'a read of what was never written', isLinearizable: false, operations: [read('a', 0, 1, 5)] },
  { title: 'a read after a write', isLinearizable: true, operations: [write('a', 0, 1, 5), read('b', 2, 3, 5)] },
  { title: 'a stale read after a write', isLinearizable: false, operations: [write('a', 0, 1, 5), read('b', 2, 3, 0)] },
  {
    title: 'reads beside a write that see both values in this order',
    isLinearizable: true,
    operations: [write('a', 0, 10, 5), read('b', 1, 2, 0), read('b', 3, 4, 5)],
  },
  {
    title: 'reads beside a write that see the new value and then the old one',
    isLinearizable: false,
    operations: [write('a', 0, 10, 5), read('b', 1, 2, 5), read('c', 3, 4, 0)],
  },
  {
    title: 'reads at the same time that see both',
    isLinearizable: true,
    operations: [write('a', 0, 10, 5), read('b', 1, 4, 5), read('c', 2, 3, 0)],
  },
  {
    title: 'a call at the moment of a return is concurrent',
    isLinearizable: true,
    operations: [write('a', 0, 2, 5), read('b', 2, 3, 0)],
  },
  {
    title: 'two writes at the same time, whose order two readers see differently',
    isLinearizable: false,
    operations: [write('a', 0, 9, 1), write('b', 0, 9, 2), read('c', 1, 2, 1), read('c', 3, 4, 2), read('d', 1, 2, 2), read('d', 3, 4, 1)],
  },
  {
    title: 'a write with unknown outcome that is seen much later',
    isLinearizable: true,
    operations: [write('a', 0, Infinity, 5), read('b', 1, 2, 0), read('b', 50, 51, 5)],
  },
  {
    title: 'a write with unknown outcome that is never seen',
    isLinearizable: true,
    operations: [write('a', 0, Infinity, 5), read('b', 1, 2, 0), read('b', 50, 51, 0)],
  },
  {
    title: 'a write with unknown outcome that is seen and then gone',
    isLinearizable: false,
    operations: [write('a', 0, Infinity, 5), read('b', 1, 2, 5), read('b', 3, 4, 0)],
  },
  {
    title: 'a write with unknown outcome that is seen before it was called',
    isLinearizable: false,
    operations: [read('b', 1, 2, 5), write('a', 3, Infinity, 5)],
  },
  {
    title: 'one of two compare-and-sets of the same value succeeds',
    isLinearizable: true,
    operations: [compareAndSet('a', 0, 5, 0, 1, true), compareAndSet('b', 0, 5, 0, 2, false), read('c', 6, 7, 1)],
  },
  {
    title: 'both of two compare-and-sets of the same value succeed',
    isLinearizable: false,
    operations: [compareAndSet('a', 0, 5, 0, 1, true), compareAndSet('b', 0, 5, 0, 2, true)],
  },
  {
    title: 'a compare-and-set fails on a value that nobody has replaced',
    isLinearizable: false,
    operations: [write('a', 0, 1, 3), compareAndSet('b', 2, 3, 3, 4, false)],
  },
  {
    title: 'a compare-and-set with unknown outcome, on whose value another one depends',
    isLinearizable: true,
    operations: [compareAndSet('a', 0, Infinity, 0, 1, true), compareAndSet('b', 2, 3, 1, 2, true), read('c', 4, 5, 2)],
  },
]

for (const { title, isLinearizable, operations } of histories) {
  test(`linearizability: ${title}: ${isLinearizable ? 'yes' : 'no'}`, () => {
    assert.equal(checkLinearizability(operations, registerModel).verdict, isLinearizable ? 'linearizable' : 'notLinearizable')
  })
}

test('an operation that returns before it is called is no history', () => {
  assert.throws(() => checkLinearizability([write('a', 2, 1, 5)], registerModel), /operation 0 is called at 2 and returns at 1/)
})

test('the longest partial order leads to the place where the history stops making sense', () => {
  const operations = [
    write('a', 0, 1, 5),
    read('b', 2, 3, 5),
    write('a', 4, 5, 6),
    read('b', 6, 9, 5),
    read('c', 7, 8, 6),
    read('c', 10, 11, 6),
  ]
  const { verdict, longest } = checkLinearizability(operations, registerModel)
  assert.equal(verdict, 'notLinearizable')
  assert.deepEqual(longest, [0, 1, 2, 4])
  assert.equal(
    describeFailure(checkByKey(operations, ({ key }) => key, registerModel)!),
    [
      'x: notLinearizable; 4 of 6 operations can be put in order, the last of them',
      '  a [0, 1] {"type":"write","key":"x","value":5} → 5',
      '  b [2, 3] {"type":"read","key":"x"} → 5',
      '  a [4, 5] {"type":"write","key":"x","value":6} → 6',
      '  c [7, 8] {"type":"read","key":"x"} → 6',
      'and then none of',
      '  b [6, 9] {"type":"read","key":"x"} → 5',
    ].join('\n'),
  )
})

test('keys are checked apart: what is wrong with one is found among many that are right', () => {
  const ofKey = (name: string, operation: RegisterOperation): RegisterOperation => ({
    ...operation,
    input: { ...operation.input, key: name },
  })
  const right = ['k', 'l', 'm'].flatMap((name) => [write('a', 0, 1, 5), read('b', 2, 3, 5)].map((operation) => ofKey(name, operation)))
  const wrong = [write('a', 0, 1, 5), read('b', 2, 3, 0)].map((operation) => ofKey('z', operation))
  assert.equal(
    checkByKey(right, ({ key }) => key, registerModel),
    null,
  )
  assert.equal(checkByKey([...right, ...wrong], ({ key }) => key, registerModel)?.key, 'z')
})

test('many operations of unknown outcome that want the same cost no search of all their orders', () => {
  const lost = Array.from({ length: 60 }, (_, i) => compareAndSet(`c${i}`, i, Infinity, i % 3, (i % 3) + 1, true))
  const told = [compareAndSet('a', 30, 90, 0, 1, false), compareAndSet('b', 31, 91, 1, 2, false), read('c', 100, 101, 3)]
  assert.equal(checkLinearizability([...lost, ...told], registerModel, 1000).verdict, 'linearizable')
  assert.equal(checkLinearizability([...lost, ...told, read('d', 102, 103, 1)], registerModel, 1000).verdict, 'notLinearizable')
})

test('many refusals beside one another cost no search of all their orders', () => {
  const lost = Array.from({ length: 30 }, (_, i) => compareAndSet(`l${i}`, i, Infinity, i % 4, (i % 4) + 1, true))
  const refused = Array.from({ length: 60 }, (_, i) => compareAndSet(`r${i}`, 30 + i, 200 + i, 3, 4, false))
  const history = [...lost, ...refused, compareAndSet('a', 50, 190, 3, 4, true)]
  assert.equal(checkLinearizability(history, registerModel, 2000).verdict, 'linearizable')
  assert.equal(checkLinearizability([...history, read('d', 300, 301, 0)], registerModel, 2000).verdict, 'notLinearizable')
})

test('a search that grows too large is given up, and says so', () => {
  const writes = Array.from({ length: 12 }, (_, i) => write(`w${i}`, 0, 100, i + 1))
  const impossible = [...writes, read('r', 101, 102, 99)]
  assert.equal(checkLinearizability(impossible, registerModel, 50).verdict, 'undecided')
  assert.equal(checkLinearizability(impossible, registerModel).verdict, 'notLinearizable')
})

// A history that came about: each operation takes effect at one moment between its call and its return, or, with unknown outcome, perhaps never.

const inputs: fc.Arbitrary<RegisterInput> = fc.oneof(
  fc.record({ type: fc.constant('read' as const), key: fc.constant(key) }),
  fc.record({ type: fc.constant('write' as const), key: fc.constant(key), value: fc.integer({ min: 0, max: 2 }) }),
  fc.record({
    type: fc.constant('compareAndSet' as const),
    key: fc.constant(key),
    expected: fc.integer({ min: 0, max: 2 }),
    value: fc.integer({ min: 0, max: 2 }),
  }),
)

const happenings = fc.array(
  fc.record({ input: inputs, before: fc.nat(5), after: fc.nat(5), isUnknown: fc.boolean(), isLost: fc.boolean() }),
  { maxLength: 40 },
)

test('a history that came about one operation after the other is linearizable, whenever calls and returns were', () => {
  fc.assert(
    fc.property(happenings, (drawn) => {
      let value = 0
      const operations = drawn.map(({ input, before, after, isUnknown, isLost }, i): RegisterOperation => {
        const result = applyToRegister(value, input)
        if (!(isUnknown && isLost)) value = result.value
        return {
          client: `c${i}`,
          call: 2 * i - before,
          return: isUnknown ? Infinity : 2 * i + after,
          input,
          output: isUnknown ? null : result.output,
        }
      })
      assert.equal(checkLinearizability(operations, registerModel).verdict, 'linearizable')
    }),
  )
})

// The twin: tries every order of every choice of operations.

function twin<Input, Output>(operations: readonly Operation<Input, Output>[], model: Model<number, Input, Output>): boolean {
  const isPossible = (state: number, rest: readonly Operation<Input, Output>[]): boolean => {
    if (rest.every((operation) => operation.return === Infinity)) return true
    return rest.some((operation) => {
      const isFirst = rest.every((other) => other.return >= operation.call)
      const after = isFirst ? model.step(state, operation.input, operation.output) : null
      return (
        after !== null &&
        isPossible(
          after,
          rest.filter((other) => other !== operation),
        )
      )
    })
  }
  return isPossible(model.init, operations)
}

/** Only reads and writes, of three values. */
const plainRegister: Model<number, number | null, number> = {
  init: 0,
  step: (state, value, output) => (value !== null ? value : output === null || output === state ? state : null),
  isPure: (value) => value === null,
  equal: (a, b) => a === b,
  hash: () => 0,
}

const spans = fc.record({ call: fc.nat(12), length: fc.nat(6), isUnknown: fc.nat(3).map((drawn) => drawn === 0) })

test('a slow twin agrees on the register', () => {
  const drawn = fc.record({ span: spans, value: fc.option(fc.integer({ min: 0, max: 2 })), output: fc.integer({ min: 0, max: 2 }) })
  const verdicts = new Map<string, number>()
  fc.assert(
    fc.property(fc.array(drawn, { minLength: 3, maxLength: 7 }), (history) => {
      const operations = history.map(({ span: { call, length, isUnknown }, value, output }, i) => ({
        client: `c${i}`,
        call,
        return: isUnknown ? Infinity : call + length,
        input: value,
        output: isUnknown ? null : output,
      }))
      const { verdict } = checkLinearizability(operations, plainRegister)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
      assert.equal(verdict === 'linearizable', twin(operations, plainRegister))
    }),
    { numRuns: 1000 },
  )
  for (const verdict of ['linearizable', 'notLinearizable']) assert.ok((verdicts.get(verdict) ?? 0) >= 100, `${verdict}: too few`)
})

test('a slow twin agrees on the register with compare-and-set, and the order that is found is one', () => {
  const drawn = fc.record({ span: spans, input: inputs, seen: fc.integer({ min: 0, max: 2 }), isSet: fc.boolean() })
  const verdicts = new Map<string, number>()
  fc.assert(
    fc.property(fc.array(drawn, { minLength: 3, maxLength: 7 }), (history) => {
      const operations = history.map(({ span: { call, length, isUnknown }, input, seen, isSet }, i): RegisterOperation => {
        const output = input.type === 'read' ? seen : input.type === 'write' ? input.value : isSet
        return { client: `c${i}`, call, return: isUnknown ? Infinity : call + length, input, output: isUnknown ? null : output }
      })
      const { verdict, longest } = checkLinearizability(operations, registerModel)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
      assert.equal(verdict === 'linearizable', twin(operations, registerModel))
      assertIsOrder(operations, longest, verdict === 'linearizable')
    }),
    { numRuns: 1000 },
  )
  for (const verdict of ['linearizable', 'notLinearizable']) assert.ok((verdicts.get(verdict) ?? 0) >= 100, `${verdict}: too few`)
})

/** Each operation once, none after one that had to wait for it, and each gives what it gave. */
function assertIsOrder(operations: readonly RegisterOperation[], order: readonly number[], isWhole: boolean): void {
  assert.equal(new Set(order).size, order.length)
  let state = 0
  order.forEach((number, place) => {
    const { call, input, output } = operations[number]!
    const left = operations.filter((_, other) => !order.slice(0, place + 1).includes(other))
    assert.ok(left.every((other) => other.return >= call))
    const after = registerModel.step(state, input, output)
    assert.ok(after !== null)
    state = after
  })
  if (isWhole) assert.ok(operations.every((operation, number) => operation.return === Infinity || order.includes(number)))
}
