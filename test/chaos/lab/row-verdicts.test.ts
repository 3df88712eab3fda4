import assert from 'node:assert/strict'
import test from 'node:test'
import type { CapturedIke, CapturedPacket } from '../../../chaos/lab/capture-rows.ts'
import { CLIENT_ADDRESS, CLUSTER_ADDRESS } from '../../../chaos/lab/network.ts'
import type { RowSeen } from '../../../chaos/lab/rows/row.ts'
import { rowsNamed } from '../../../chaos/lab/rows/rows.ts'

/** What a row sees in its verdict, as far as these rows look. */
type Seen = Partial<Pick<RowSeen, 'packets' | 'logs' | 'killed' | 'silence'>>

async function failedChecks(name: string, seen: Seen): Promise<string[]> {
  const [row] = rowsNamed([name])
  const checks = (await row!.verdict?.(seen as RowSeen)) ?? []
  return checks.flatMap((one) => (one.isOk ? [] : [one.name]))
}

function packet(timeMs: number, isClients: boolean, ike: Partial<CapturedIke> | null): CapturedPacket {
  const ends = isClients ? [CLIENT_ADDRESS, CLUSTER_ADDRESS] : [CLUSTER_ADDRESS, CLIENT_ADDRESS]
  const whole = { initiatorSpi: '11', responderSpi: '22', exchangeType: 37, messageId: 0, isResponse: !isClients, isFragment: false }
  return {
    timeMs,
    hardwareSource: '02:00:00:00:99:32',
    source: ends[0]!,
    sourcePort: 4500,
    destination: ends[1]!,
    destinationPort: 4500,
    esp: ike === null ? { spi: 'c0ffee00', sequence: 1 } : null,
    ike: ike === null ? null : { ...whole, ...ike },
  }
}

const midnight = new Date(2026, 10, 26).getTime()

/** A question and its answer. */
function asked(timeMs: number, messageId: number): CapturedPacket[] {
  return [packet(midnight + timeMs, true, { messageId }), packet(midnight + timeMs + 1, false, { messageId })]
}

const answeredLine = (second: number) => `00:00:0${second}.001 12[ENC] parsed INFORMATIONAL response ${second} [ ]`

const silent: Seen = {
  packets: [
    packet(midnight + 500, false, null),
    ...asked(2_000, 2),
    ...asked(3_000, 3),
    ...asked(4_000, 4),
    packet(midnight + 5_500, true, null),
  ],
  logs: [[2, 3, 4].map(answeredLine).join('\n')],
  silence: { fromMs: midnight + 1_000, toMs: midnight + 5_000 },
  killed: { gateway: 'sg2', afterMs: 1_500, timeMs: midnight + 2_500 },
}

const silences: readonly { readonly name: string; readonly seen: Seen; readonly failed: readonly string[] }[] = [
  { name: 'two checks answered after the kill are enough', seen: silent, failed: [] },
  { name: 'nobody was killed', seen: { ...silent, killed: null }, failed: [] },
  {
    name: 'a packet of ESP in the silence',
    seen: { ...silent, packets: [...silent.packets!, packet(midnight + 3_500, true, null)] },
    failed: ['nothing else flows'],
  },
  {
    name: 'a check after the kill that nobody answers',
    seen: { ...silent, packets: [...silent.packets!, packet(midnight + 4_900, true, { messageId: 5 })] },
    failed: ['liveness checks answered'],
  },
  {
    name: 'the kill came after the last check',
    seen: { ...silent, killed: { ...silent.killed!, timeMs: midnight + 4_500 } },
    failed: ['liveness checks answered', "the client's log"],
  },
  {
    name: 'the client begins anew',
    seen: { ...silent, logs: [`${silent.logs![0]}\n00:00:04.500 12[IKE] initiating IKE_SA home[2] to 10.99.0.100`] },
    failed: ["the client's log"],
  },
]

for (const { name, seen, failed } of silences) {
  test(`liveness checks alone: ${name}`, async () => assert.deepEqual(await failedChecks('liveness', seen), failed))
}

const cookieLog = [
  '12[ENC] parsed IKE_SA_INIT response 0 [ N(COOKIE) ]',
  '12[ENC] generating IKE_SA_INIT request 0 [ N(COOKIE) SA KE No N(NATD_S_IP) ]',
].join('\n')
const inits = ['0000000000000000', '0000000130ffee00'].map((responderSpi, i) => packet(i, false, { exchangeType: 34, responderSpi }))

test('a client that was asked for a cookie and brought it has a session since then only', async () => {
  const notAsked = 'the client was asked for a cookie, and came again with it'
  const remembered = 'the gateways begin a session for the cookie only'
  assert.deepEqual(await failedChecks('cookies', { logs: [cookieLog], packets: inits }), [])
  assert.deepEqual(await failedChecks('cookies', { logs: [''], packets: inits.slice(1) }), [notAsked, remembered])
  assert.deepEqual(await failedChecks('cookies', { logs: [cookieLog.split('\n')[0]!], packets: inits.slice(0, 1) }), [notAsked, remembered])
})
