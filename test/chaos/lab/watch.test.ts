import assert from 'node:assert/strict'
import test from 'node:test'
import { checkClaimsNothing, checkNoUnreachable, checkNothingInClear } from '../../../chaos/lab/watch-checks.ts'
import type { WatchedFrame } from '../../../chaos/lab/watch.ts'
import { parseWatch } from '../../../chaos/lab/watch.ts'

const client = '10.99.0.50'
const sg1 = '02:00:00:00:99:0b'
const sg2 = '02:00:00:00:99:0c'

/** As tshark printed them in the lab: an announcement, a packet in clear, an error, and what the error's tap sees beside it. */
const claim = '1795656152.100000\tsg1-eth0\t02:00:00:00:99:0b\t\t\t\t\t1\t10.99.0.100'
const inClear = '1795656152.200000\tsg1-eth0\t02:00:00:00:99:0b\t10.50.0.50\t10.77.0.1\t8\t0\t\t'
const unreachable = '1795656152.300000\tclient-eth0\t02:00:00:00:99:0b\t10.99.0.100\t10.99.0.50\t3\t3\t\t'
const ownError = '1795656152.400000\tclient-eth0\t02:00:00:00:99:32\t10.99.0.50\t10.99.0.100\t3\t3\t\t'
const insideClaim = '1795656152.500000\tsg1-eth1\t02:00:00:00:50:0b\t\t\t\t\t2\t10.50.0.1'

function frames(...lines: readonly string[]): WatchedFrame[] {
  return parseWatch(lines.map((line) => `${line}\n`).join(''))
}

test('a frame is ARP or a packet, with its port and the hardware that sent it', () => {
  assert.deepEqual(frames(claim, inClear), [
    { timeMs: 1795656152100, port: 'sg1-eth0', hardwareSource: sg1, packet: null, arp: { operation: 1, sender: '10.99.0.100' } },
    {
      timeMs: 1795656152200,
      port: 'sg1-eth0',
      hardwareSource: sg1,
      packet: { source: '10.50.0.50', destination: '10.77.0.1', icmp: { type: 8, code: 0 } },
      arp: null,
    },
  ])
  assert.throws(() => parseWatch('1\t2\t3\n'), /expected 9 fields, got 3/)
})

test("a packet of the tunnel's inside at an outside port is found; a watch that saw nothing proves nothing", () => {
  assert.equal(checkNothingInClear(frames(claim, insideClaim, unreachable)).isOk, true)
  const { isOk, detail } = checkNothingInClear(frames(claim, inClear))
  assert.equal(isOk, false)
  assert.match(detail, /1 packets: 10\.50\.0\.50 to 10\.77\.0\.1 at sg1-eth0/)
  assert.equal(checkNothingInClear([]).isOk, false)
})

test("an ICMP error to the client is found; the client's own, and echoes, are none", () => {
  assert.equal(checkNoUnreachable(frames(claim, inClear, ownError), client).isOk, true)
  const { isOk, detail } = checkNoUnreachable(frames(unreachable), client)
  assert.equal(isOk, false)
  assert.match(detail, /1: code 3 from 10\.99\.0\.100 at sg1/)
})

const what = { hardware: [sg1, '02:00:00:00:50:0b'], addresses: ['10.99.0.100', '10.50.0.1'] }
const byOther = claim.replace(sg1, sg2).replace('152.1', '153.1')

test('a claim of who holds nothing any more is found, outside and inside; earlier ones and those of others do not count', () => {
  const sinceMs = 1795656152600
  assert.equal(checkClaimsNothing(frames(claim, insideClaim, byOther), 'sg1', { ...what, sinceMs }).isOk, true)
  for (const late of [claim, insideClaim]) {
    const { isOk } = checkClaimsNothing(frames(late, byOther), 'sg1', { ...what, sinceMs: 1795656152100 })
    assert.equal(isOk, false)
  }
})

test('an address that nobody claims at all proves nothing', () => {
  assert.equal(checkClaimsNothing(frames(claim), 'sg1', { ...what, sinceMs: 1795656152600 }).isOk, false)
})

test('questions in the name of its own address are no claim', () => {
  const question = claim.replace('10.99.0.100', '10.99.0.11')
  assert.equal(checkClaimsNothing(frames(question, byOther), 'sg1', { ...what, sinceMs: 0 }).isOk, true)
})
