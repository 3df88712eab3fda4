/** What the capture must show: numbers that only rise, liveness checks that are answered, packets on both sides of the fault. */

import type { CapturedPacket } from './capture-rows.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'

export const LIVENESS_ANSWERED = 'liveness checks answered'

const INFORMATIONAL = 37
/** Of one failed check as many are printed as tell what is going on. */
const EXAMPLES = 5

interface EspFlow {
  readonly name: string
  readonly seen: Set<number>
  highest: number
  /** The widest step forward: a takeover goes on from the end of what was granted. */
  widestStep: number
  readonly reused: number[]
  readonly backwards: number[]
}

export const NUMBERS_GO_FORWARD = 'no ESP sequence number goes back'

/** For each SPI and direction, no sequence number twice and none below one sent before (S1, and what the client's window would drop). */
export function checkSequenceNumbers(packets: readonly CapturedPacket[]): Check[] {
  const flows = [...espFlows(packets).values()]
  const reused = flows.flatMap(({ name, reused }) => reused.map((sequence) => `${sequence} (${name})`))
  const backwards = flows.flatMap(({ name, backwards }) => backwards.map((sequence) => `${sequence} (${name})`))
  const summary = flows
    .map(({ name, seen, highest, widestStep }) => `${name}: ${seen.size} to ${highest}, widest step ${widestStep}`)
    .join('; ')
  const isSeen = flows.length > 0
  return [
    check('no ESP sequence number twice', isSeen && reused.length === 0, reused.length > 0 ? some(reused) : summary || 'no ESP seen'),
    check(NUMBERS_GO_FORWARD, isSeen && backwards.length === 0, backwards.length > 0 ? some(backwards) : summary || 'no ESP seen'),
  ]
}

/** An orderly change of owner hands exact counters over: no number is left out, in either direction. */
export function checkNoNumberSkipped(packets: readonly CapturedPacket[]): Check {
  const flows = [...espFlows(packets).values()]
  const skipping = flows.filter(({ widestStep }) => widestStep > 1).map(({ name, widestStep }) => `${name}: a step of ${widestStep}`)
  return check(
    'no ESP sequence number skipped',
    flows.length > 0 && skipping.length === 0,
    skipping.join('; ') || `${flows.length} flows without a hole`,
  )
}

function espFlows(packets: readonly CapturedPacket[]): Map<string, EspFlow> {
  const flows = new Map<string, EspFlow>()
  for (const { source, destination, esp } of packets) {
    if (esp === null) continue
    const name = `${source}>${destination} ${esp.spi}`
    let flow = flows.get(name)
    if (flow === undefined) flows.set(name, (flow = { name, seen: new Set(), highest: 0, widestStep: 0, reused: [], backwards: [] }))
    if (flow.seen.has(esp.sequence)) flow.reused.push(esp.sequence)
    else if (esp.sequence < flow.highest) flow.backwards.push(esp.sequence)
    flow.seen.add(esp.sequence)
    flow.widestStep = Math.max(flow.widestStep, esp.sequence - flow.highest)
    flow.highest = Math.max(flow.highest, esp.sequence)
  }
  return flows
}

/** ESP in both directions, before the fault and after it: else the other checks would look at nothing. */
export function checkEspOnBothSides(packets: readonly CapturedPacket[], client: string, faultMs: number): Check {
  const counts = { sentBefore: 0, sentAfter: 0, receivedBefore: 0, receivedAfter: 0 }
  for (const { esp, source, timeMs } of packets) {
    if (esp !== null) counts[`${source === client ? 'sent' : 'received'}${timeMs < faultMs ? 'Before' : 'After'}`]++
  }
  const isOk = Object.values(counts).every((count) => count > 0)
  const detail = `client sent ${counts.sentBefore} + ${counts.sentAfter}, received ${counts.receivedBefore} + ${counts.receivedAfter}`
  return check('ESP on both sides of the fault', isOk, detail)
}

/** The client's INFORMATIONAL requests since the fault, each answered with its Message ID on the same IKE SA, and at least `atLeast` of them. */
export function checkLiveness(packets: readonly CapturedPacket[], client: string, faultMs: number, atLeast: number): Check {
  const requests = clientRequestsSince(packets, client, faultMs)
  const unanswered = requests.filter((request) => answerTo(request, packets) === undefined)
  const numbers = (of: readonly CapturedPacket[]) => [...new Set(of.map(({ ike }) => ike?.messageId))].join(', ')
  const isOk = unanswered.length === 0 && new Set(requests.map(({ ike }) => ike?.messageId)).size >= atLeast
  const missing = unanswered.length === 0 ? '' : `; unanswered: ${numbers(unanswered)}`
  return check(LIVENESS_ANSWERED, isOk, `${requests.length} requests, Message IDs ${numbers(requests) || 'none'}${missing}`)
}

/** INFORMATIONAL requests of the client, retransmissions included. */
export function clientRequestsSince(packets: readonly CapturedPacket[], client: string, sinceMs: number): CapturedPacket[] {
  return packets.filter(
    ({ ike, source, timeMs }) => ike?.exchangeType === INFORMATIONAL && !ike.isResponse && source === client && timeMs >= sinceMs,
  )
}

export function isAnswered(request: CapturedPacket, packets: readonly CapturedPacket[]): boolean {
  return answerTo(request, packets) !== undefined
}

/** Both sides count their own requests, so an answer is told from our own answers by where it comes from. */
function answerTo({ ike: request, timeMs, source: asker }: CapturedPacket, packets: readonly CapturedPacket[]): CapturedPacket | undefined {
  return packets.find(
    ({ ike, destination, timeMs: answerMs }) =>
      ike !== null &&
      ike.isResponse &&
      destination === asker &&
      ike.exchangeType === request?.exchangeType &&
      ike.messageId === request.messageId &&
      ike.initiatorSpi === request.initiatorSpi &&
      ike.responderSpi === request.responderSpi &&
      answerMs >= timeMs,
  )
}

/** Hardware addresses from which ESP came to the client in [fromMs, toMs), in order of appearance: which gateways carried the session. */
export function espSenders(packets: readonly CapturedPacket[], client: string, fromMs: number, toMs: number): string[] {
  const received = packets.filter(
    ({ esp, destination, timeMs }) => esp !== null && destination === client && timeMs >= fromMs && timeMs < toMs,
  )
  return [...new Set(received.map(({ hardwareSource }) => hardwareSource))]
}

function some(of: readonly string[]): string {
  return of.length <= EXAMPLES ? of.join(', ') : `${of.slice(0, EXAMPLES).join(', ')} and ${of.length - EXAMPLES} more`
}
