/**
 * One trial of a scenario: a network, gateways and a client of its own, a fault, and what the client and the wire have seen of it.
 *
 *     connect ── prepare ── ping 20/s ──────── fault ──────────── stop ── silence, liveness checks ── ping ── compare
 *                           │← STEADY_MS →│          │← AFTERMATH_MS →│
 *
 * charon asks after a silent gateway only when nothing has come for `dpd_delay`, so while pings are answered there are no liveness
 * checks: hence the silence.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { checkEspOnBothSides, checkLiveness, checkSequenceNumbers, espSenders } from './capture-checks.ts'
import type { CapturedPacket } from './capture-rows.ts'
import type { Ground } from './carry-through.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { checkClientUntroubled } from './client-log.ts'
import { LabError } from './lab-error.ts'
import { CLIENT_ADDRESS, LabNetwork, gatewayIds, gatewayOfHardwareAddress } from './network.ts'
import type { Gap, PingRecord } from './ping-output.ts'
import { checkNoDuplicates, checkTrafficFlows, formatRanges, longestGap, lostPings } from './ping-output.ts'
import type { Scenario, Scene, Seen } from './scenario.ts'
import type { ClientIkeSa } from './security-associations.ts'
import { checkSameAssociations, parseSecurityAssociations } from './security-associations.ts'
import { StrongSwan, clientConfiguration } from './strongswan.ts'
import type { PingSeries } from './traffic.ts'
import { Capture, Traffic, pingOf } from './traffic.ts'
import { checkNoUnreachable, checkNothingInClear } from './watch-checks.ts'
import type { WatchedFrame } from './watch.ts'
import { Watch } from './watch.ts'

const STEADY_MS = 3_000
const AFTERMATH_MS = 5_000
const LAST_PINGS = 20
/** Two of them: the second shows that the Message ID of the first was carried on. They come 2 s apart. */
const LIVENESS_CHECKS = 2
const SILENCE_LIMIT_MS = 12_000

export interface TrialOptions extends Ground {
  /** The longest gap that passes, ms; null: any that ends. */
  readonly maxGapMs: number | null
}

export interface TrialResult {
  readonly scenario: string
  readonly setting: string
  readonly fault: string
  /** When it was done, ms of the wall clock, to find the place in the logs. */
  readonly faultMs: number
  readonly gap: Gap
  readonly lost: readonly number[]
  /** Which gateways sent ESP to the client, before the fault and after it. */
  readonly carriers: { readonly before: readonly string[]; readonly after: readonly string[] }
  readonly checks: readonly Check[]
  /** Whether every check holds; in a control, whether those that must fail did. */
  readonly isPassed: boolean
}

/** What was seen, before anyone judges it. */
interface Observation {
  readonly faultMs: number
  readonly before: readonly ClientIkeSa[]
  readonly after: readonly ClientIkeSa[]
  readonly pings: PingSeries
  readonly lastPings: PingRecord
  readonly packets: readonly CapturedPacket[]
  readonly dropped: number
  readonly frames: readonly WatchedFrame[]
  readonly unwatched: number
  /** The client's log since the fault. */
  readonly log: string
}

/** Runs it. Everything it makes is registered at `undo`, and stays until the caller undoes it. */
export async function runTrial(scenario: Scenario, options: TrialOptions): Promise<TrialResult> {
  const { folder, prefix, undo, signal } = options
  await mkdir(folder, { recursive: true })
  const network = await LabNetwork.create(prefix, undo, 1, gatewayIds(scenario.gateways))
  const scene = await scenario.open({ network, folder, undo, signal })
  const client = await StrongSwan.start(network, 'client', join(folder, 'client'), clientSettings(scenario), undo, signal)
  const capture = await Capture.start(network, folder, undo, signal)
  const watch = await Watch.start(network, folder, undo, signal)
  await client.initiate()
  const setting = await scene.prepare()
  const { fault, ...seen } = await observe(scene, client, network, options)
  const observation = { ...seen, ...(await capture.stop()), ...(await watch.stop()) }
  const verdict = await verdictOf(scene, { ...observation, lost: lostPings(observation.pings) })
  return judge(scenario, options, { setting, fault }, observation, verdict)
}

function clientSettings({ client }: Scenario): { readonly configuration: string; readonly charon: string } {
  return { configuration: clientConfiguration(client), charon: client.charon }
}

/** Gateways that cannot be asked any more are a finding, which must not hide what the client saw. */
async function verdictOf(scene: Scene, seen: Seen): Promise<readonly Check[]> {
  try {
    return await scene.verdict(seen)
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return [check('the gateways answer afterwards', false, error.message)]
  }
}

async function observe(
  scene: Scene,
  client: StrongSwan,
  network: LabNetwork,
  { folder, undo, signal }: TrialOptions,
): Promise<Omit<Observation, 'packets' | 'dropped' | 'frames' | 'unwatched'> & { readonly fault: string }> {
  const before = await associationsOf(client, join(folder, 'list-sas-before.txt'))
  const traffic = Traffic.start(network, virtualIpOf(before), folder, undo)
  await delay(STEADY_MS, undefined, { signal })
  const logStart = (await readFile(client.logFile)).length
  const faultMs = Date.now()
  const fault = await scene.strike(client, traffic)
  await delay(AFTERMATH_MS, undefined, { signal })
  const pings = await traffic.stop()
  await awaitLivenessChecks(client, signal)
  const lastPings = await pingOf(network, LAST_PINGS, join(folder, 'last-ping.log'))
  const after = await associationsOf(client, join(folder, 'list-sas-after.txt'))
  const log = (await readFile(client.logFile)).subarray(logStart).toString()
  return { faultMs, before, after, pings, lastPings, log, fault }
}

function virtualIpOf([ikeSa]: readonly ClientIkeSa[]): string {
  const address = ikeSa?.virtualIps[0]
  if (address === undefined) throw new LabError('the client was given no address')
  return address
}

/** `file`: keeps what swanctl said. */
async function associationsOf(client: StrongSwan, file: string): Promise<ClientIkeSa[]> {
  const text = await client.swanctl('--list-sas', '--raw')
  await writeFile(file, text)
  return parseSecurityAssociations(text)
}

/** Keeps silent until the client has asked and been answered often enough. When it is not, the checks will say so. */
async function awaitLivenessChecks(client: StrongSwan, signal: AbortSignal): Promise<void> {
  const answered = async () => (await readFile(client.logFile, 'utf8')).match(/parsed INFORMATIONAL response/g)?.length ?? 0
  const enough = (await answered()) + LIVENESS_CHECKS
  const deadline = Date.now() + SILENCE_LIMIT_MS
  while ((await answered()) < enough && Date.now() < deadline) await delay(100, undefined, { signal })
}

function judge(
  { name, mustFail, notJudged }: Scenario,
  { maxGapMs }: TrialOptions,
  { setting, fault }: { readonly setting: string; readonly fault: string },
  observation: Observation,
  verdict: readonly Check[],
): TrialResult {
  const { pings, packets, faultMs } = observation
  const gap = longestGap(pings.replies, pings.untilMs, pings.pauses)
  const all = [...checksOf(observation), checkGap(gap, maxGapMs), ...verdict]
  const checks = all.filter((each) => !notJudged.includes(each.name))
  const failed = checks.filter(({ isOk }) => !isOk).map(({ name }) => name)
  return {
    scenario: name,
    setting,
    fault,
    faultMs,
    gap,
    lost: lostPings(pings),
    carriers: { before: carriers(packets, 0, faultMs), after: carriers(packets, faultMs, Number.POSITIVE_INFINITY) },
    checks,
    isPassed: mustFail.length === 0 ? failed.length === 0 : mustFail.every((name) => failed.includes(name)),
  }
}

/** What must be so after whatever fault. */
function checksOf(observation: Observation): Check[] {
  const { before, after, log, packets, dropped, frames, unwatched, pings, lastPings, faultMs } = observation
  return [
    ...checkSameAssociations(before, after),
    checkClientUntroubled(log),
    checkLiveness(packets, CLIENT_ADDRESS, faultMs, LIVENESS_CHECKS),
    ...checkSequenceNumbers(packets),
    checkEspOnBothSides(packets, CLIENT_ADDRESS, faultMs),
    checkNothingInClear(frames),
    checkNoUnreachable(frames, CLIENT_ADDRESS),
    check(
      'the captures are whole',
      dropped + unwatched === 0,
      `${packets.length} datagrams, ${dropped} dropped; watch: ${unwatched} dropped`,
    ),
    checkNoDuplicates(pings),
    checkTrafficFlows(lastPings),
  ]
}

function checkGap(gap: Gap, maxGapMs: number | null): Check {
  const isOk = gap.before !== null && gap.lengthMs <= (maxGapMs ?? Number.POSITIVE_INFINITY)
  const limit = maxGapMs === null ? '' : `, at most ${maxGapMs} ms allowed`
  return check('pings come back after the fault', isOk, `${formatGap(gap)}${limit}`)
}

function carriers(packets: readonly CapturedPacket[], fromMs: number, toMs: number): string[] {
  return espSenders(packets, CLIENT_ADDRESS, fromMs, toMs).map((address) => gatewayOfHardwareAddress(address) ?? address)
}

/** `longest gap 0.412 s, icmp_seq 61 to 69`. */
export function formatGap({ lengthMs, after, before }: Gap): string {
  const from = after === null ? 'no reply at all' : `icmp_seq ${after} to ${before ?? 'the end'}`
  return `longest gap ${(lengthMs / 1000).toFixed(3)} s, ${from}`
}

export function formatLost(lost: readonly number[]): string {
  return lost.length === 0 ? 'no ping lost' : `${lost.length} pings lost: ${formatRanges(lost)}`
}
