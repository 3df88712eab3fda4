/** Clients that ask whether their gateway lives. */

import { readFile } from 'node:fs/promises'
import { checkLiveness } from '../capture-checks.ts'
import type { CapturedPacket } from '../capture-rows.ts'
import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { CLIENT_LOG, checkClientUntroubled, logSince } from '../client-log.ts'
import { CLIENT_ADDRESS } from '../network.ts'
import type { Pause } from '../ping-output.ts'
import { waitUntil } from '../processes.ts'
import { clientFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import type { Row, RowSeen, RowStage } from './row.ts'

const INFORMATIONAL = 37
const ANSWERED = /parsed INFORMATIONAL response/g
/** One a second: so many before the row is over, and so many after the kill, at least. */
const CHECKS = 3
const CHECKS_AFTER = 2
/** charon's first retransmission, at 4 s, and as much again. */
const ANSWER_LIMIT_MS = 10_000
/** The last packets from before it are on their way. */
const FALLING_SILENT_MS = 200

export const livenessRows: readonly Row[] = [
  {
    name: 'liveness',
    title: 'nothing flows but the liveness checks of the client, one a second',
    setUp: async () => ({ clients: [clientFile({ connection: ['dpd_delay = 1s'] })] }),
    act: async (stage) => answeredChecks(CHECKS, stage),
    settle: async (stage) => answeredChecks(CHECKS_AFTER, stage),
    isSilent: true,
    verdict({ packets, logs, killed, silence }: RowSeen) {
      const sinceMs = killed?.timeMs ?? silence?.fromMs ?? Number.NaN
      const log = logSince(logs[0] ?? '', sinceMs)
      const answered = log.match(ANSWERED)?.length ?? 0
      const { isOk, detail } = checkClientUntroubled(log)
      return [
        checkOnlyLiveness(packets, silence),
        checkLiveness(packets, CLIENT_ADDRESS, sinceMs, CHECKS_AFTER),
        check(CLIENT_LOG, isOk && answered >= CHECKS_AFTER, `${answered} checks answered; ${detail}`),
      ]
    },
  },
]

/** Returns when the client has been answered so many times more. */
async function answeredChecks(count: number, { clients, signal }: RowStage): Promise<void> {
  const { logFile } = clientOf(clients)
  const answered = async (): Promise<number> => (await readFile(logFile, 'utf8')).match(ANSWERED)?.length ?? 0
  const former = await answered()
  await waitUntil(`${count} answers to the client's liveness checks`, count * ANSWER_LIMIT_MS, signal, async () => {
    return (await answered()) >= former + count
  })
}

function checkOnlyLiveness(packets: readonly CapturedPacket[], silence: Pause | null): Check {
  const { fromMs, toMs } = silence ?? { fromMs: Number.NaN, toMs: Number.NaN }
  const within = packets.filter(({ timeMs }) => timeMs > fromMs + FALLING_SILENT_MS && timeMs < toMs)
  const others = within.filter(({ ike }) => ike?.exchangeType !== INFORMATIONAL)
  return check('nothing else flows', within.length > 0 && others.length === 0, `${within.length} datagrams, ${others.length} others`)
}
