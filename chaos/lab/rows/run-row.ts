/**
 * One pass of a row: a network, gateways and clients of its own.
 *
 *     connect ── ping 20/s ── act ── ping 20/s ── ping ── compare
 *     │← kill →│              │← kill →│
 *
 * The kill falls into what the row is about: into what it does, if it does anything, else into the connecting and the first moments after
 * it. Who owns the session then is killed; before there is one, the gateway that the first client sends to.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { checkSequenceNumbers } from '../capture-checks.ts'
import type { CapturedPacket } from '../capture-rows.ts'
import type { Ground } from '../carry-through.ts'
import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { heldBy } from '../client-exchanges.ts'
import { EvpcCluster } from '../evpc-cluster.ts'
import { LabError } from '../lab-error.ts'
import { CLIENT_ADDRESS, LabNetwork, clientName } from '../network.ts'
import type { Gap, Pause } from '../ping-output.ts'
import { checkNoDuplicates, checkTrafficFlows, longestGap, lostPings } from '../ping-output.ts'
import { checkRenewedAssociations } from '../renewed-associations.ts'
import type { ClientIkeSa } from '../security-associations.ts'
import { StrongSwan } from '../strongswan.ts'
import { Capture, Traffic, pingOf } from '../traffic.ts'
import { checkNoUnreachable, checkNothingInClear } from '../watch-checks.ts'
import { Watch } from '../watch.ts'
import { withKill } from './kill.ts'
import type { Kill, Refusal, Row, RowSeen, RowStage } from './row.ts'
import { ONE_START } from './row.ts'

/** Pings before a row acts, and after it has, so that the wire shows both. */
const STEADY_MS = 1_000
/** A kill is over when the first ping after it may be missed no more. */
const AFTERMATH_MS = 1_500
const FIRST_MOMENTS_MS = 200
const LAST_PINGS = 10
/** dumpcap is handed packets in blocks, the last one a quarter of a second after it began: who is turned away may be so in less. */
const CAPTURE_LAG_MS = 500
const SESSION_GONE_MS = 10_000
const IKE_SA_INIT = 34

export interface PassOptions extends Ground {
  /** So long after the clients begin to connect, or the row begins to act; null: nobody is killed. */
  readonly killAfterMs: number | null
}

export interface PassResult {
  /** How long what the row is about took: a kill is to fall into it. */
  readonly durationMs: number
  readonly killed: Kill | null
  /** Null where no traffic was to flow. */
  readonly gap: Gap | null
  readonly lost: readonly number[]
  readonly checks: readonly Check[]
  readonly isPassed: boolean
}

/** Runs it. Everything it makes is registered at `undo`, and stays until the caller undoes it. */
export async function runPass(row: Row, options: PassOptions): Promise<PassResult> {
  const { folder, prefix, undo, signal, killAfterMs } = options
  await mkdir(folder, { recursive: true })
  const { gateways = {}, clients: settings } = await row.setUp(folder)
  const network = await LabNetwork.create(prefix, undo, settings.length)
  await row.wire?.(network)
  const cluster = await EvpcCluster.start(network, join(folder, 'cluster'), gateways, undo, signal)
  const clients: StrongSwan[] = []
  for (const [i, setting] of settings.entries()) {
    clients.push(await StrongSwan.start(network, clientName(i), join(folder, clientName(i)), setting, undo, signal))
  }
  const stage: RowStage = { network, cluster, clients, signal }
  const capture = await Capture.start(network, folder, undo, signal)
  const watch = await Watch.start(network, folder, undo, signal)
  const course = row.refusal === undefined ? await connected(row, stage, options) : await turnedAway(row.refusal, stage, killAfterMs)
  const [{ packets, dropped }, { frames, unwatched }] = await Promise.all([capture.stop(), watch.stop()])
  const logs = await Promise.all(clients.map(({ logFile }) => readFile(logFile, 'utf8')))
  const { before, after, lost, durationMs, gap, killed, silence } = course
  const seen: RowSeen = { ...stage, before, after, packets, logs, lost, killed, silence }
  const all = [
    ...course.checks,
    checkOneStart(packets),
    ...(row.refusal === undefined ? checkSequenceNumbers(packets) : []),
    checkNothingInClear(frames),
    checkNoUnreachable(frames, CLIENT_ADDRESS),
    check('the captures are whole', dropped + unwatched === 0, `${packets.length} datagrams, ${dropped} dropped; watch: ${unwatched}`),
    ...((await row.verdict?.(seen)) ?? []),
  ]
  const checks = all.filter(({ name }) => row.notJudged?.includes(name) !== true)
  return { durationMs, killed, gap, lost, checks, isPassed: checks.every(({ isOk }) => isOk) }
}

interface Course {
  readonly durationMs: number
  readonly killed: Kill | null
  readonly before: readonly (readonly ClientIkeSa[])[]
  readonly after: readonly (readonly ClientIkeSa[])[]
  readonly gap: Gap | null
  readonly lost: readonly number[]
  readonly silence: Pause | null
  readonly checks: readonly Check[]
}

async function connected(row: Row, stage: RowStage, { folder, undo, killAfterMs }: PassOptions): Promise<Course> {
  const { network, clients, signal } = stage
  const connected = await withKill(stage, row.act === undefined ? killAfterMs : null, async () => {
    await Promise.all(clients.map(async (client) => client.initiate()))
    // The first moments after it are part of it: the last answer is on its way, the first packet is to come.
    if (row.act === undefined) await delay(FIRST_MOMENTS_MS, undefined, { signal })
  })
  const before = await Promise.all(clients.map(heldBy))
  await writeFile(join(folder, 'before.json'), JSON.stringify(before, null, 2))
  const traffic = Traffic.start(network, addressOf(before[0]), folder, undo)
  await delay(STEADY_MS, undefined, { signal })
  if (row.isSilent === true) traffic.pause()
  const acted = row.act === undefined ? connected : await withKill(stage, killAfterMs, async () => row.act?.(stage))
  await row.settle?.(stage)
  if (row.isSilent === true) traffic.resume()
  await delay(acted.killed === null ? STEADY_MS : AFTERMATH_MS, undefined, { signal })
  const [pings, flows] = await Promise.all([traffic.stop(), checkEachFlows(stage, folder)])
  const after = await Promise.all(clients.map(heldBy))
  await writeFile(join(folder, 'after.json'), JSON.stringify(after, null, 2))
  const gap = longestGap(pings.replies, pings.untilMs, pings.pauses)
  const checks = [
    check('pings come back', gap.before !== null, `longest gap ${(gap.lengthMs / 1000).toFixed(3)} s`),
    checkNoDuplicates(pings),
    ...flows,
    ...clients.flatMap((_, i) => {
      const renews = i === 0 ? (row.renews ?? {}) : {}
      return checkRenewedAssociations(before[i] ?? [], after[i] ?? [], renews, row.children ?? 1).map((one) =>
        named(clientName(i), clients.length, one),
      )
    }),
  ]
  return { ...acted, before, after, gap, lost: lostPings(pings), silence: pings.pauses[0] ?? null, checks }
}

/** Of each client in turn. */
async function checkEachFlows({ network, clients }: RowStage, folder: string): Promise<Check[]> {
  const flows: Check[] = []
  for (const i of clients.keys()) {
    const last = await pingOf(network, LAST_PINGS, join(folder, `${clientName(i)}-last-ping.log`), clientName(i))
    flows.push(named(clientName(i), clients.length, checkTrafficFlows(last)))
  }
  return flows
}

/** The gateways turn every client away, say so as they should, and keep nothing. */
async function turnedAway({ says, counted }: Refusal, stage: RowStage, killAfterMs: number | null): Promise<Course> {
  const { clients, cluster, signal } = stage
  const attempts: boolean[] = []
  const tried = await withKill(stage, killAfterMs, async () => {
    const outcomes = clients.map(async (client) =>
      client.initiate().then(
        () => true,
        () => false,
      ),
    )
    attempts.push(...(await Promise.all(outcomes)))
  })
  const logs = await Promise.all(clients.map(({ logFile }) => readFile(logFile, 'utf8')))
  const isGone = await forgotten(cluster, signal)
  await delay(CAPTURE_LAG_MS, undefined, { signal })
  const told = logs.filter((log) => says.test(log)).length
  const checks = [
    check('nobody got in', !attempts.includes(true), `${attempts.filter(Boolean).length} of ${attempts.length} clients connected`),
    check('clients are told why', told === logs.length, `${told} of ${logs.length} logs have ${says}`),
    check('no session is left', isGone, isGone ? 'none' : (await cluster.sessions()).map(({ id }) => id).join(', ')),
    // A gateway that is killed takes its counts with it.
    ...(counted === undefined || tried.killed !== null ? [] : [await checkCounted(cluster, counted)]),
  ]
  return { ...tried, before: [], after: [], gap: null, lost: [], silence: null, checks }
}

/** They are turned away for the reason that the row is about. */
async function checkCounted(cluster: EvpcCluster, reason: string): Promise<Check> {
  const count = await cluster.drops(reason)
  return check('the gateways count why', count > 0, `${reason}: ${count}`)
}

async function forgotten(cluster: EvpcCluster, signal: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + SESSION_GONE_MS
  while ((await cluster.sessions()).length > 0) {
    if (Date.now() > deadline) return false
    await delay(200, undefined, { signal })
  }
  return true
}

function addressOf(ikeSas: readonly ClientIkeSa[] | undefined): string {
  const address = ikeSas?.[0]?.virtualIps.find((one) => !one.includes(':'))
  if (address === undefined) throw new LabError('the first client was given no IPv4 address')
  return address
}

function checkOneStart(packets: readonly CapturedPacket[]): Check {
  const started = new Set(packets.flatMap(({ ike }) => (ike?.exchangeType === IKE_SA_INIT && !ike.isResponse ? [ike.initiatorSpi] : [])))
  return check(ONE_START, started.size === 1, `${started.size} IKE SAs begun`)
}

function named(client: string, count: number, one: Check): Check {
  return count === 1 ? one : { ...one, name: `${client}: ${one.name}` }
}
