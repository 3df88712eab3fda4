/**
 * A client that asks every second and gives its gateway up after one without an answer. The traffic pauses, so that it asks at all, and
 * the owner is killed just before it asks next: the question goes to a dead gateway.
 */

import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { clientRequestsSince, isAnswered } from './capture-checks.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { CLIENT_ADDRESS } from './network.ts'
import type { Plot } from './owner-scenes.ts'
import { takenOver } from './owner-scenes.ts'
import { waitUntil } from './processes.ts'
import type { Lab, Seen } from './scenario.ts'
import { clientLogFile } from './strongswan.ts'

/** How long before the question the owner is killed: longer than a timer is late, shorter than a takeover. */
const LEAD_MS = 30
const QUESTIONS_FIRST = 3
const QUESTION_LIMIT_MS = 10_000
const ANSWER_LIMIT_MS = 5_000
const LOOK_EVERY_MS = 5

export const killWhileAsked: Plot = {
  async strike({ cluster, owner, lab, moments, traffic }) {
    traffic.pause()
    const askedMs = await questionTimes(lab, QUESTIONS_FIRST)
    const [earlier = 0, last = 0] = askedMs.slice(-2)
    const periodMs = last - earlier
    await delay(last + periodMs - LEAD_MS - Date.now(), undefined, { signal: lab.signal })
    moments.set('kill', Date.now())
    await cluster.process(owner).kill()
    const answered = await answers(lab)
    await waitUntil('an answer to the client after the takeover', ANSWER_LIMIT_MS, lab.signal, async () => (await answers(lab)) > answered)
    traffic.resume()
    return `silence, SIGKILL ${owner} ${LEAD_MS} ms before the next liveness check was due, one every ${periodMs} ms`
  },
  async verdict(stage, seen) {
    return [...(await takenOver(stage)), checkAskedMeanwhile(seen, stage.moments.get('kill') ?? Number.NaN)]
  },
}

/** When the next questions of the client were asked, ms of the wall clock, to some ms. */
async function questionTimes(lab: Lab, count: number): Promise<number[]> {
  const times: number[] = []
  let known = await questions(lab)
  while (times.length < count) {
    await waitUntil(
      'a liveness check of the client',
      QUESTION_LIMIT_MS,
      lab.signal,
      async () => (await questions(lab)) > known,
      LOOK_EVERY_MS,
    )
    times.push(Date.now())
    known = await questions(lab)
  }
  return times
}

async function questions(lab: Lab): Promise<number> {
  return occurrences(lab, /sending DPD request/g)
}

async function answers(lab: Lab): Promise<number> {
  return occurrences(lab, /parsed INFORMATIONAL response/g)
}

async function occurrences({ folder }: Lab, pattern: RegExp): Promise<number> {
  return (await readFile(clientLogFile(folder), 'utf8')).match(pattern)?.length ?? 0
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
