/** How often a live gateway would have been declared down, from what each gateway's histogram gained in each second. */

import { PATIENCE } from '../../src/gateway/failure-detector.ts'
import type { Above } from './scrape.ts'

/** What one gateway heard of another in one second: how many silences ended that were longer than each bound. */
export interface Silences extends Above {
  readonly observer: string
  readonly silent: string
}

/**
 * For each threshold. Two that end their silences in the same second or in one and the next looked at the same one; an alarm that goes on into
 * the next second is the same alarm.
 */
export function falseAlarms(
  seconds: readonly (readonly Silences[])[],
  thresholdsMs: readonly number[],
): { readonly thresholdMs: number; readonly count: number }[] {
  const gateways = new Set(seconds.flat().map(({ silent }) => silent))
  return thresholdsMs.map((thresholdMs) => {
    let count = 0
    for (const gateway of gateways) {
      let wasAlarm = false
      for (let i = 0; i < seconds.length; i++) {
        const now = observersOf(seconds[i]!, gateway, thresholdMs)
        const lately = new Set([...now, ...observersOf(seconds[i - 1] ?? [], gateway, thresholdMs)])
        const alone = observersOf(seconds[i]!, gateway, PATIENCE * thresholdMs)
        const isAlarm = (now.size > 0 && lately.size > 1) || alone.size > 0
        if (isAlarm && !wasAlarm) count += 1
        wasAlarm = isAlarm
      }
    }
    return { thresholdMs, count }
  })
}

/** Where the histogram has no such bound, by the next lower one: rather once too often. */
function observersOf(silences: readonly Silences[], gateway: string, thresholdMs: number): Set<string> {
  const isLonger = ({ above }: Silences): boolean => {
    const bounds = [...above.keys()].filter((limit) => 1000 * limit <= thresholdMs + 1e-6)
    return (above.get(Math.max(...bounds)) ?? 0) > 0
  }
  return new Set(silences.filter((one) => one.silent === gateway && isLonger(one)).map(({ observer }) => observer))
}
