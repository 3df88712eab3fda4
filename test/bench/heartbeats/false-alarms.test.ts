import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Silences } from '../../../bench/heartbeats/false-alarms.ts'
import { falseAlarms } from '../../../bench/heartbeats/false-alarms.ts'
import { Scrape, between, bound, together } from '../../../bench/heartbeats/scrape.ts'

const bounds = [0.1, 0.15, 0.3, 0.45, 0.9]

/** The longest silence that ended in this second, ms. */
function silence(observer: string, silent: string, ms: number): Silences {
  return { observer, silent, count: 1, sum: ms / 1000, above: new Map(bounds.map((limit) => [limit, ms > 1000 * limit ? 1 : 0])) }
}

function alarms(...seconds: readonly (readonly Silences[])[]): number[] {
  return falseAlarms(seconds, [150, 300]).map(({ count }) => count)
}

test('an alarm is false when both others miss a gateway at once, or one does for three times as long', () => {
  assert.deepEqual(alarms([silence('sg1', 'sg3', 400)]), [0, 0], 'one alone')
  assert.deepEqual(alarms([silence('sg1', 'sg3', 500)]), [1, 0], 'one alone for long')
  assert.deepEqual(alarms([silence('sg1', 'sg3', 200), silence('sg2', 'sg3', 160)]), [1, 0])
  assert.deepEqual(alarms([silence('sg1', 'sg3', 400), silence('sg2', 'sg3', 160)]), [1, 0])
  assert.deepEqual(alarms([silence('sg1', 'sg3', 400), silence('sg2', 'sg1', 400)]), [0, 0], 'not the same one')
})

test('what ends in one second and the next is the same silence; what comes later is another', () => {
  const [one, other] = [silence('sg1', 'sg3', 400), silence('sg2', 'sg3', 400)]
  assert.deepEqual(alarms([one], [other]), [1, 1])
  assert.deepEqual(alarms([one], [], [other]), [0, 0])
  assert.deepEqual(alarms([one, other], [one, other]), [1, 1], 'it goes on')
  assert.deepEqual(alarms([one, other], [], [one, other]), [2, 2])
})

const text = (counts: readonly number[]): string => `# HELP evpc_x_seconds x
evpc_x_seconds_bucket{le="0.1",gateway="sg2"} ${counts[0]}
evpc_x_seconds_bucket{le="0.2",gateway="sg2"} ${counts[1]}
evpc_x_seconds_bucket{le="+Inf",gateway="sg2"} ${counts[2]}
evpc_x_seconds_sum{gateway="sg2"} 3.5
evpc_x_seconds_count{gateway="sg2"} ${counts[2]}
evpc_raft_term 7
`

test('a histogram is read as what lay above each bound, and two looks at it as what came between', () => {
  const [earlier, later] = [text([5, 6, 6]), text([90, 98, 100])].map((one) =>
    new Scrape(one).histogram('evpc_x_seconds').get('gateway="sg2"')!,
  )
  assert.deepEqual(
    [...later!.above],
    [
      [0.1, 10],
      [0.2, 2],
    ],
  )
  const gained = between(earlier, later!)
  assert.deepEqual([gained.count, [...gained.above.values()]], [94, [9, 2]])
  assert.equal(together([gained, gained]).above.get(0.1), 18)
  assert.deepEqual([bound(gained, 0.1), bound(gained, 0.05), bound(gained, 0.001)], [0.1, 0.2, Infinity])
  assert.equal(new Scrape(text([1, 1, 1])).value('evpc_raft_term'), 7)
})
