import assert from 'node:assert/strict'
import test from 'node:test'
import { disagreements } from '../../../chaos/kill/agreement.ts'
import { checkClientLog } from '../../../chaos/kill/client-log-checks.ts'
import { barriersOf, rulesOf } from '../../../chaos/kill/cuts.ts'
import { NOTED_SILENCE_MS, Sink, Source } from '../../../chaos/kill/flow.ts'
import { figuresOf, silencesOf } from '../../../chaos/kill/judge.ts'
import { cuts } from '../../../chaos/kill/kinds.ts'
import { StreamCheck, encodeNumber } from '../../../chaos/kill/stream-check.ts'

test('a client that authenticates a second time, or gives up, is found; one that rekeys is none', () => {
  const connected = '11:54:41.722 11[IKE] IKE_SA home[1] established between 10.99.0.50[a]...10.99.0.100[b]\n'
  const rekeyed = '11:54:51.722 11[IKE] IKE_SA home[2] rekeyed between 10.99.0.50[a]...10.99.0.100[b]\n'
  assert.deepEqual(checkClientLog(connected + rekeyed).problems, [])
  assert.match(checkClientLog(connected + connected.replace('[1]', '[2]')).problems[0] ?? '', /authenticated 2 times/)
  assert.match(checkClientLog(`${connected}11:55:41.722 11[IKE] giving up after 5 retransmits`).problems[0] ?? '', /giving up/)
  assert.match(checkClientLog('').problems[0] ?? '', /authenticated 0 times/)
})

test('a datagram that comes twice is a duplicate, however late; one that never comes is not received', () => {
  const sink = new Sink()
  for (const [number, atMs] of [
    [0, 0],
    [2, 40],
    [2, 45],
    [5000, 80],
    [0, 90],
  ] as const)
    sink.arrive(number, atMs, atMs)
  const { received, duplicates, silences } = sink.report(5001, 100)
  assert.equal(received, 3)
  assert.deepEqual(duplicates, [
    { number: 2, atMs: 45 },
    { number: 0, atMs: 90 },
  ])
  assert.deepEqual(silences, [])
  assert.equal(sink.latestSentMs, 80)
})

test('a silence begins with the last that came and ends with the next, or now', () => {
  const sink = new Sink()
  sink.arrive(0, 0, 1000)
  sink.arrive(1, 0, 1000 + NOTED_SILENCE_MS - 1)
  sink.arrive(2, 0, 3000)
  assert.deepEqual(sink.report(3, 9000).silences, [
    { fromMs: 1000 + NOTED_SILENCE_MS - 1, toMs: 3000 },
    { fromMs: 3000, toMs: 9000 },
  ])
})

test('a source sends at its rate from its beginning on, and makes up for being late', () => {
  const source = new Source(25)
  assert.equal(source.due(1e9), null)
  source.begin(1000)
  assert.equal(source.due(1000), 0)
  assert.equal(source.due(1039), null)
  assert.deepEqual([source.due(1090), source.due(1090), source.due(1090)], [1, 2, null])
  assert.equal(source.sent, 3)
})

test('silences of the traffic’s own making are left out, and figures are of what is left', () => {
  const flow = {
    sent: 0,
    received: 0,
    duplicates: [],
    silences: [
      { fromMs: 0, toMs: 200 },
      { fromMs: 500, toMs: 700 },
    ],
  }
  assert.deepEqual(silencesOf(flow, [{ fromMs: 50, toMs: 150 }]), [{ fromMs: 500, toMs: 700 }])
  assert.deepEqual(figuresOf([300, 100, 200]), { count: 3, p50: 200, p95: 300, max: 300 })
  assert.deepEqual(figuresOf([]), { count: 0, p50: 0, p95: 0, max: 0 })
})

test('a stream of numbers is checked wherever its pieces end', () => {
  const check = new StreamCheck()
  const bytes = Uint8Array.from([0, 1, 2, 3].flatMap((number) => [...encodeNumber(number)]))
  for (let at = 0; at < bytes.length; at += 3) check.feed(bytes.subarray(at, at + 3))
  assert.deepEqual([check.next, check.wrong], [4, null])
  check.feed(encodeNumber(6))
  assert.deepEqual(check.wrong, { expected: 4, got: 6 })
})

const place = { machines: ['sg1', 'sg2', 'sg3'], clients: ['client', 'client2'] } as const

test('a cut drops what it is to drop: ports of one machine, one way or both', () => {
  const rules = (cut: (typeof cuts)[number]) =>
    rulesOf(barriersOf(cut, 'sg1', 'sg3', place))
      .split('\n')
      .filter((line) => line.includes('drop'))
  assert.deepEqual(
    rules('mute').map((line) => line.trim()),
    ['iifname { "sg1-eth0", "sg1-eth1" } counter drop'],
  )
  assert.deepEqual(
    rules('deaf').map((line) => line.trim()),
    ['oifname { "sg1-eth0", "sg1-eth1" } counter drop'],
  )
  assert.deepEqual(
    rules('cluster-deaf').map((line) => line.trim()),
    ['iifname { "sg2-eth0", "sg3-eth0" } oifname { "sg1-eth0" } counter drop'],
  )
  assert.deepEqual(
    rules('link').map((line) => line.trim()),
    ['iifname { "sg1-eth0" } oifname { "sg3-eth0" } counter drop', 'iifname { "sg3-eth0" } oifname { "sg1-eth0" } counter drop'],
  )
  assert.match(rules('clients').join(), /"client-eth0", "client2-eth0"/)
  for (const cut of cuts) assert.ok(rules(cut).length > 0, cut)
  assert.doesNotMatch(rulesOf([]), /drop/)
})

const session = { id: '1', identity: 'client', owner: 'sg1', epoch: 3, virtualIps: ['10.77.0.1'], takeovers: 1, transfers: 1 }

test('gateways that know the same agree; who knows another owner, a further session, or none, does not', () => {
  const views = (other: readonly (typeof session)[]) =>
    new Map([
      ['sg1', [session]],
      ['sg2', other],
    ])
  assert.deepEqual(disagreements(views([session]), ['client'], ['sg1', 'sg2']), [])
  assert.match(disagreements(views([{ ...session, epoch: 4 }]), ['client'], ['sg1', 'sg2'])[0] ?? '', /sg2 differs from sg1: .*epoch 4/)
  assert.match(disagreements(views([]), ['client'], ['sg1', 'sg2'])[0] ?? '', /sg2 differs/)
  assert.match(disagreements(views([session]), ['client', 'client2'], ['sg1', 'sg2'])[0] ?? '', /client2 has 0 sessions/)
  assert.match(disagreements(views([session]), ['client'], ['sg2'])[0] ?? '', /belongs to sg1, which is not up/)
})
