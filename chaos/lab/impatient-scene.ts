/**
 * A client that asks every second and gives its gateway up after one without an answer. The traffic pauses, so that it asks at all, and
 * the owner is killed just before it asks next: the question goes to a dead gateway.
 */

import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { clientRequestsSince, isAnswered } from './capture-checks.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { elapsedMs, loggedTimeMs, timeOfDayMs } from './client-log.ts'
import { LabError } from './lab-error.ts'
import { CLIENT_ADDRESS } from './network.ts'
import type { Plot } from './owner-scenes.ts'
import { takenOver } from './owner-scenes.ts'
import { waitUntil } from './processes.ts'
import type { Lab, Seen } from './scenario.ts'
import { clientLogFile, impatient } from './strongswan.ts'

/** How long before the question the owner is killed: longer than a timer is late, shorter than a takeover. */
const LEAD_MS = 30
/** Later than this the moment is over, and the next question is waited for. */
const LATE_MS = 15
const ATTEMPTS = 10
const QUESTION_LIMIT_MS = 10_000
const ANSWER_LIMIT_MS = 5_000

export const killWhileAsked: Plot = {
  async strike({ cluster, owner, lab, moments, traffic }) {
    traffic.pause()
    await momentBeforeQuestion(lab)
    moments.set('kill', Date.now())
    await cluster.process(owner).kill()
    const answered = await answers(lab)
    await waitUntil('an answer to the client after the takeover', ANSWER_LIMIT_MS, lab.signal, async () => (await answers(lab)) > answered)
    traffic.resume()
    return `silence, SIGKILL ${owner} ${LEAD_MS} ms before the next liveness check was due`
  },
  async verdict(stage, seen) {
    return [...(await takenOver(stage)), checkAskedMeanwhile(seen, stage.moments.get('kill') ?? Number.NaN)]
  },
}

/** Returns LEAD_MS before the client asks, which it does every second of silence. Timers may be late on a busy machine: then once more. */
async function momentBeforeQuestion(lab: Lab): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const known = (await questions(lab)).length
    await waitUntil('a liveness check of the client', QUESTION_LIMIT_MS, lab.signal, async () => (await questions(lab)).length > known)
    const asked = (await questions(lab)).at(-1) ?? Number.NaN
    const sinceMs = elapsedMs(asked, timeOfDayMs(new Date()))
    const dueMs = Date.now() - sinceMs + impatient.dpdDelayS * 1000 - LEAD_MS
    if (dueMs > Date.now()) await delay(dueMs - Date.now(), undefined, { signal: lab.signal })
    if (Date.now() - dueMs < LATE_MS) return
  }
  throw new LabError(`the moment before a liveness check was missed ${ATTEMPTS} times: is the machine that busy?`)
}

/** When the client asked, ms since midnight by its log. */
async function questions(lab: Lab): Promise<number[]> {
  const lines = (await clientLog(lab)).split('\n').filter((line) => line.includes('sending DPD request'))
  return lines.map(loggedTimeMs)
}

async function answers(lab: Lab): Promise<number> {
  return (await clientLog(lab)).match(/parsed INFORMATIONAL response/g)?.length ?? 0
}

async function clientLog({ folder }: Lab): Promise<string> {
  return readFile(clientLogFile(folder), 'utf8')
}

/** The first question since the kill was asked twice: nobody was there for the first, and the second was answered. */
export function checkAskedMeanwhile({ packets }: Pick<Seen, 'packets'>, killMs: number): Check {
  const [first, ...later] = clientRequestsSince(packets, CLIENT_ADDRESS, killMs)
  const again = later.filter(({ ike }) => ike?.messageId === first?.ike?.messageId)
  const isOk = first !== undefined && again.some((request) => isAnswered(request, packets))
  const after = (ms: number | undefined) => `${((ms ?? Number.NaN) - killMs).toFixed(0)} ms`
  const detail =
    first === undefined
      ? 'the client asked nothing'
      : `Message ID ${first.ike?.messageId} asked ${after(first.timeMs)} after the SIGKILL, ${again.length === 0 ? 'once' : `again ${again.map(({ timeMs }) => after(timeMs)).join(', ')} after it`}`
  return check('a liveness check met nobody and was answered on its retransmission', isOk, detail)
}
