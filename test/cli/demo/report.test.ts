import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../../src/context/address.ts'
import { callPacket, readCallPacket } from '../../../src/cli/demo/call-packet.ts'
import { clientName, sessionOfName } from '../../../src/cli/demo/client-name.ts'
import { liveLine } from '../../../src/cli/demo/live-line.ts'
import type { DemoEvent, DemoReport } from '../../../src/cli/demo/report.ts'
import { eventLine, problemsOf, zerosLine } from '../../../src/cli/demo/report.ts'

const kill: DemoEvent = {
  type: 'kill',
  gateway: 'sg1',
  sessionsBefore: 10,
  sessionsMoved: 10,
  interruptionMs: { p50: 120.5, p95: 180, max: 190.1 },
  packetsLost: { p50: 7, max: 9, total: 70 },
}

const good: DemoReport = {
  gateways: 3,
  sessions: 30,
  seconds: 30,
  events: [kill],
  packets: { sent: 100, received: 90, duplicated: 0, up: { sent: 50, received: 45 }, down: { sent: 50, received: 45 } },
  reAuthentications: 0,
  sequenceNumbersReused: 0,
}

test('lost packets alone are no problem', () => {
  assert.deepEqual(problemsOf(good, []), [])
})

const wrong: readonly { name: string; report: DemoReport; silent: readonly string[]; problem: string }[] = [
  { name: 'a session that does not go on', report: good, silent: ['client-07'], problem: 'no traffic any more: client-07' },
  {
    name: 'a client that authenticates anew',
    report: { ...good, reAuthentications: 1 },
    silent: [],
    problem: 're-authentications: 1, expected 0',
  },
  {
    name: 'a sequence number used twice',
    report: { ...good, sequenceNumbersReused: 2 },
    silent: [],
    problem: 'sequence numbers reused: 2, expected 0',
  },
  {
    name: 'an inner packet received twice',
    report: { ...good, packets: { ...good.packets, duplicated: 3 } },
    silent: [],
    problem: 'inner packets received twice: 3, expected 0',
  },
]

for (const { name, report, silent, problem } of wrong) {
  test(`${name} is a problem`, () => assert.deepEqual(problemsOf(report, silent), [problem]))
}

test('an event is told in one line', () => {
  assert.equal(
    eventLine(kill, 'SIGKILL, leader'),
    'KILL sg1 (SIGKILL, leader): 10 sessions moved · quiet p50 120.5 p95 180 max 190.1 ms · lost p50 7 max 9 packets',
  )
  assert.equal(eventLine({ ...kill, type: 'restart', sessionsMoved: 0 }, ''), 'RESTART sg1: 0 sessions moved')
  assert.equal(zerosLine(good), '     re-authentications 0 · sequence numbers reused 0')
})

test('the live line shows every gateway in its place, whoever is asked', () => {
  const view = { incarnation: 1, capacity: 1, packetsPerSecond: 0, backoffMs: 0 }
  const picture = {
    leader: 'sg2',
    gateways: [
      { id: 'sg3', state: 'draining' as const, sessions: 0, ...view },
      { id: 'sg1', state: 'up' as const, sessions: 10, ...view },
      { id: 'sg2', state: 'up' as const, sessions: 20, ...view },
    ],
  }
  const on = (id: string, isRunning = true): { id: string; isRunning: boolean } => ({ id, isRunning })
  assert.equal(
    liveLine([on('sg1'), on('sg2'), on('sg3')], picture, 3000, 7480),
    'up  sg1 10  sg2* 20  sg3 0 draining sessions   3000 packets/s   http://127.0.0.1:7480/#token=…',
  )
  // The others learn of a death only after a while.
  assert.equal(
    liveLine([on('sg1', false), on('sg2')], picture, 7, 7480),
    'up  sg1 down  sg2* 20 sessions   7 packets/s   http://127.0.0.1:7480/#token=…',
  )
})

test('a packet of a call carries its stamp, and only in its own direction', () => {
  const stamp = { session: 7, counter: 123_456, sentMs: 98_765.432 }
  const packet = callPacket('up', parseAddress('10.77.0.9')!, stamp)
  assert.deepEqual(readCallPacket('up', packet), stamp)
  assert.equal(readCallPacket('down', packet), null)
  assert.equal(readCallPacket('up', packet.subarray(0, 40)), null)
})

test("clients' names tell their sessions", () => {
  for (const session of [0, 8, 9, 98, 99, 999]) assert.equal(sessionOfName(clientName(session)), session)
  assert.equal(clientName(0), 'client-01')
  assert.equal(sessionOfName('alice'), null)
})
