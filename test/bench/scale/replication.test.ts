import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicationWorld } from '../../../bench/scale/replication.ts'

const command = (atMs: number, gateway: number) => ({ atMs, gateway, octets: new Uint8Array(1000).fill(atMs & 255) })

for (const gateways of [3, 7]) {
  test(`${gateways} gateways: whoever proposes, every gateway applies every command, and the wire carries it to each other one`, () => {
    const proposed = Array.from({ length: 50 }, (_, i) => command(i * 10, i % gateways))
    const quiet = new ReplicationWorld(gateways, 1).run([], 1000)
    const busy = new ReplicationWorld(gateways, 1).run(proposed, 1000)
    assert.equal(busy.everywhereMs.length, 50)
    assert.equal(busy.logOctets, 50_000)
    const carried = busy.wireOctets - quiet.wireOctets
    const copies = 50_000 * (gateways - 1)
    // Those of followers go to the leader once more before.
    assert.ok(carried > copies && carried < copies + 50_000 + 30_000 * gateways, `${carried} octets for ${copies} of copies`)
  })
}

test('the same seed is the same run', () => {
  const run = () => new ReplicationWorld(5, 3).run([command(5, 0), command(6, 4)], 500)
  assert.deepEqual(run(), run())
})
