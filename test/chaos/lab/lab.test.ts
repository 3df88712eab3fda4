import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { gatewayYaml } from '../../../chaos/lab/evpc-configuration.ts'
import { LabError } from '../../../chaos/lab/lab-error.ts'
import { GATEWAY_IDS } from '../../../chaos/lab/network.ts'
import { parseOptions } from '../../../chaos/lab/options.ts'
import { attempt, start } from '../../../chaos/lab/processes.ts'
import { parseRowsOptions } from '../../../chaos/lab/rows/main.ts'
import { rows } from '../../../chaos/lab/rows/rows.ts'
import { scenarios } from '../../../chaos/lab/scenarios.ts'
import { Undo } from '../../../chaos/lab/undo.ts'
import { parseGatewayConfig } from '../../../src/config/gateway-config.ts'

for (const reply of ['direct', 'via-holder'] as const) {
  test(`the lab's gateway.yaml with replies ${reply} is one that evpc accepts`, () => {
    const checked = parseGatewayConfig(gatewayYaml({ id: 'sg2', founders: GATEWAY_IDS, reply }), '/lab/sg2.yaml')
    assert.deepEqual(checked.ok ? [] : checked.problems, [])
  })
}

test('what was made is undone the latest first, though a step fails', async () => {
  const done: string[] = []
  const undo = new Undo()
  undo.add('first', async () => Promise.resolve(done.push('first')))
  undo.add('second', async () => Promise.reject(new Error('stuck')))
  undo.add('third', async () => Promise.resolve(done.push('third')))
  assert.deepEqual(await undo.all(), ['second: Error: stuck'])
  assert.deepEqual(done, ['third', 'first'])
  assert.deepEqual(await undo.all(), [])
})

test('no name and all mean every scenario, others are refused with the names there are', () => {
  assert.equal(parseOptions([])?.scenarios.length, scenarios.length)
  assert.equal(parseOptions(['a', 'all'])?.scenarios.length, scenarios.length)
  assert.deepEqual(
    parseOptions(['b', 'a'])?.scenarios.map(({ name }) => name),
    ['a', 'b'],
  )
  assert.deepEqual(parseOptions(['restart'])?.scenarios, parseOptions(['e'])?.scenarios)
  assert.throws(() => parseOptions(['z']), /unknown scenario z; there are stock, .* and all/)
})

test('options have bounds, and unknown ones are refused', () => {
  const options = parseOptions(['a', '--runs', '3', '--json', 'out.json', '--max-gap', '1400', '--keep'])
  assert.deepEqual([options?.runs, options?.jsonFile, options?.maxGapMs, options?.isKeeping], [3, 'out.json', 1400, true])
  assert.throws(() => parseOptions(['--runs', '0']), /--runs: expected an integer of 1 to 1000, got 0/)
  assert.throws(() => parseOptions(['--runs', 'many']), /got many/)
  assert.throws(() => parseOptions(['--speed']), LabError)
  assert.equal(parseOptions(['--help']), null)
})

test('rows of the matrix are chosen by name, and a seed is an integer', () => {
  assert.equal(parseRowsOptions([])?.rows.length, rows.length)
  assert.deepEqual(
    parseRowsOptions(['several', 'psk', '--seed', '7'])?.rows.map(({ name }) => name),
    ['psk', 'several'],
  )
  assert.equal(parseRowsOptions(['--seed', '7'])?.seed, 7)
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length)
  const drawn = parseRowsOptions(['psk', '--draw', '5', '--seed', '7'])!.rows.map(({ name }) => name)
  assert.equal(new Set(drawn).size, 6)
  assert.deepEqual(
    drawn,
    parseRowsOptions(['psk', '--draw', '5', '--seed', '7'])!.rows.map(({ name }) => name),
  )
  assert.equal(parseRowsOptions(['--draw', '3'])!.rows.length, 3)
  assert.throws(() => parseRowsOptions(['--draw', 'x']), /--draw: expected an integer/)
  assert.throws(() => parseRowsOptions(['z']), /unknown row z; there are psk, .* and all/)
  assert.throws(() => parseRowsOptions(['--seed', 'x']), /--seed: expected an integer/)
  assert.equal(parseRowsOptions(['--help']), null)
})

test('a command that fails says so in its own words', async () => {
  const { failed, stderr } = await attempt(['sh', '-c', 'echo broken >&2; exit 3'])
  assert.deepEqual([failed, stderr], [true, 'broken\n'])
  assert.equal((await attempt(['no-such-command-here'])).failed, true)
})

test('a process is ended though it is frozen, and one that was never there has ended', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evpc-lab-test-'))
  try {
    const frozen = start('frozen', ['sh', '-c', 'exec sleep 60'], join(folder, 'log'))
    frozen.signal('SIGSTOP')
    await frozen.end()
    assert.equal(frozen.isRunning, false)
    const missing = start('missing', ['no-such-command-here'], join(folder, 'log'))
    await missing.kill()
    assert.equal(missing.isRunning, false)
    assert.equal(readFileSync(missing.logFile, 'utf8'), '')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
