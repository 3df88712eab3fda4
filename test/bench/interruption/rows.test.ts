/** From samples to rows to boxes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goalOf, isMet, ratioOf } from '../../../bench/bench.ts'
import { drawInterruption, groupsOf } from '../../../bench/interruption/box-plot.ts'
import type { Cell } from '../../../bench/interruption/callers.ts'
import { cells } from '../../../bench/interruption/callers.ts'
import type { Group, Sample } from '../../../bench/interruption/rows.ts'
import { rowsOf } from '../../../bench/interruption/rows.ts'
import { spreadOf } from '../../../bench/interruption/spread.ts'

const call = { clipLoss: 0, callLoss: 0, r: 90, mos: 4.3, plainMos: 4.3 }

/** A sample of each cell for each value, in ms; as many frames are lost. */
function samplesOf(group: Group, values: readonly number[]): Sample[] {
  return cells.flatMap((cell: Cell) =>
    values.map((ms) => ({
      ...cell,
      group,
      call: { ...call, interruptionMs: ms, upInterruptionMs: ms, lostFrames: ms, upLostFrames: ms },
      audio: { interruptionMs: 2 * ms, stalledMs: ms, clipSilence: 0, callSilence: 0 },
    })),
  )
}

test('a row each of calls and of audio for all cells together, and for each cell', () => {
  const rows = rowsOf('kill', samplesOf('kill', [100]), cells, null)
  assert.equal(rows.length, 2 + 2 * cells.length)
  assert.equal(rows[0]!.figures['interruption p50']!.rounds, cells.length)
  assert.equal(rows[2]!.figures['interruption p50']!.rounds, 1)
})

test('samples of another group do not count', () => {
  const mixed = [...samplesOf('kill', [100]), ...samplesOf('bystanders of kill', [7])]
  assert.equal(rowsOf('bystanders of kill', mixed, [], null)[0]!.figures['lost max']!.median, 7)
})

/** Which value makes the goal of which figure unmet. */
const goals: readonly (readonly [group: Group, figure: string, met: number, unmet: number])[] = [
  ['transfer', 'lost p50', 0, 1],
  ['transfer', 'lost to the gateway p50', 0, 1],
  ['kill', 'interruption p50', 149, 150],
  ['kill', 'interruption p95', 399, 400],
  ['kill', 'to the gateway p50', 149, 150],
  ['kill', 'to the gateway p95', 399, 400],
  ['silence', 'interruption p50', 499, 500],
  ['silence', 'interruption p95', 999, 1000],
  ['bystanders of transfer', 'lost max', 0, 1],
  ['bystanders of kill', 'lost max', 0, 1],
  ['bystanders of kill', 'lost to the gateway max', 0, 1],
  ['bystanders of silence', 'lost max', 0, 1],
  ['bystanders of kill of a holder', 'lost max', 0, 1],
  ['bystanders of silence of a holder', 'lost max', 0, 1],
]

for (const [group, name, met, unmet] of goals) {
  test(`${group}: the goal of ${name} is met at ${met} and not at ${unmet}`, () => {
    const figureAt = (value: number) => rowsOf(group, samplesOf(group, [value]), cells, null)[0]!.figures[name]!
    assert.equal(isMet(figureAt(met)), true)
    assert.equal(isMet(figureAt(unmet)), false)
    assert.match(goalOf(figureAt(met)) ?? '', /^(below|at most) \d+ /)
  })
}

test('the ratio to the stock server and to what was published is theirs to ours: more is better', () => {
  const peer = { udp: spreadOf([167_000]), tcp: spreadOf([170_000]) }
  const [udp, tcp] = rowsOf('kill', samplesOf('kill', [100]), cells, peer)
  assert.equal(ratioOf(udp!.figures['interruption p50']!), 1670)
  assert.equal(ratioOf(udp!.figures['interruption mean']!), 15.1)
  assert.equal(ratioOf(tcp!.figures['no data p50']!), 850)
  assert.equal(ratioOf(tcp!.figures['no data mean']!), 11.85)
})

test('a picture has a box for each cell, and one for a group without cells', () => {
  const samples = [...samplesOf('kill', [90, 100, 110, 400]), ...samplesOf('bystanders of kill', [0])]
  const rows = [...rowsOf('kill', samples, cells, null), ...rowsOf('bystanders of kill', samples, [], null)]
  const [kill, bystanders] = groupsOf(rows, { transport: 'UDP', figure: 'interruption' })
  assert.equal(kill!.boxes.length, cells.length)
  assert.equal(kill!.published, 1510)
  const { colour, ...box } = kill!.boxes[0]!
  assert.deepEqual(box, { least: 90, p25: 90, p50: 100, p75: 110, p95: 400, most: 400 })
  assert.notEqual(colour, 'black')
  assert.equal(bystanders!.boxes.length, 1)
  assert.equal(bystanders!.published, null)
  assert.equal(drawInterruption(rows, 'a < b').match(/<circle /g)?.length, 3 * (cells.length + 1))
})

test('a picture of nothing is a picture all the same, without a number that is none', () => {
  assert.doesNotMatch(drawInterruption([], 'nothing'), /NaN|Infinity/)
  assert.doesNotMatch(drawInterruption(rowsOf('kill', [], [], null), 'nothing'), /NaN|Infinity/)
})
