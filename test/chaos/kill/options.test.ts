import assert from 'node:assert/strict'
import test from 'node:test'
import { parseOptions } from '../../../chaos/kill/options.ts'
import { LabError } from '../../../chaos/lab/lab-error.ts'

const drawn = () => 42

test('a seed is drawn where none is given, and the rest has defaults', () => {
  const options = parseOptions([], drawn)
  assert.deepEqual([options?.seed, options?.clients, options?.builtIn, options?.perSecond], [42, 20, 4, 25])
  assert.equal(parseOptions(['--seed', '7', '--seconds', '300'], drawn)?.seed, 7)
  assert.equal(parseOptions(['--help'], drawn), null)
})

test('what it can’t do is said, with what was expected', () => {
  for (const [args, message] of [
    [['--faults', 'kill,earthquake'], /--faults: expected some of kill, stop, .*, got earthquake/],
    [['--clients', '1'], /--clients: expected an integer of 2 to 40, got 1/],
    [['--clients', '40', '--built-in', '1'], /--built-in: expected an integer of 0 to 0, got 1/],
    [['now'], /expected options only, got now/],
    [['--frequency', '3'], /--frequency/],
  ] as const)
    assert.throws(
      () => parseOptions(args, drawn),
      (error) => error instanceof LabError && message.test(error.message),
    )
})
