/** A storm as curves over time: who was admitted, who is up, and what the established sessions' packets met. */

import { percentile } from '../bench.ts'
import { drawPlot } from '../plot/plot.ts'
import type { Drawn } from '../storm.ts'
import { countsOver, disturbanceOf } from './admission.ts'

const SPAN_MS = 250
const AROUND_MS = 4_000

/** `caption`: machine and parameters. */
export function drawStorm({ storm, sustainable }: Drawn, caption: string): string {
  const { attempts, beginMs, endMs, packets } = storm
  const [fromMs, toMs] = [beginMs - AROUND_MS, endMs + AROUND_MS]
  const spans = Array.from({ length: Math.ceil((toMs - fromMs) / SPAN_MS) }, (_, i) => fromMs + i * SPAN_MS)
  const upMs = attempts.flatMap((attempt) => attempt.upMs ?? [])
  const admitted = countsOver(upMs, fromMs, toMs, SPAN_MS)
  let up = 0
  const share = admitted.map((count) => (100 * (up += count)) / attempts.length)
  const met = spans.map((startMs) => disturbanceOf(packets, startMs, startMs + SPAN_MS))
  const curve = (name: string, values: readonly (number | null)[]) => ({ name, values, isNamed: true })
  const took = [...attempts].flatMap(({ upMs: at, begunMs }) => (at === null ? [] : [(at - (begunMs ?? beginMs)) / 1000]))
  const sorted = took.sort((a, b) => a - b)
  const words = [50, 95, 99, 100].map(
    (percent) => `${percent === 100 ? 'most' : `p${percent}`} ${percentile(sorted, percent).toFixed(1)} s`,
  )
  return drawPlot({
    title: `${attempts.length} clients connect at once`,
    seconds: spans.map((startMs) => (startMs - fromMs) / 1000),
    panels: [
      {
        title: `clients admitted a second; dashed: ${Math.round(sustainable.perSecond)}, when only a few connect at a time`,
        curves: [
          curve(
            'admitted',
            admitted.map((count) => (count * 1000) / SPAN_MS),
          ),
        ],
        lines: [sustainable.perSecond],
      },
      { title: `% of the clients that are up; a client took ${words.join(', ')}`, curves: [curve('up', share)], most: 100 },
      {
        title: 'delay of the established sessions’ packets, ms',
        curves: [
          curve(
            'p50',
            met.map(({ p50 }) => p50),
          ),
          curve(
            'p99',
            met.map(({ p99 }) => p99),
          ),
          curve(
            'most',
            met.map(({ most }) => most),
          ),
        ],
      },
      {
        title: `their packets lost, of every ${SPAN_MS} ms`,
        curves: [
          curve(
            'lost',
            met.map(({ lost }) => lost),
          ),
        ],
      },
    ],
    marks: [
      { second: AROUND_MS / 1000, text: 'all connect' },
      { second: (endMs - fromMs) / 1000, text: 'all are up, or gave up' },
    ],
    caption,
  })
}
