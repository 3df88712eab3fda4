/** The rows of the bench as a picture: commits/s above, latency (p50, p99) below, by commands in flight; both axes logarithmic. */

import type { Figure, Measurement } from '../bench.ts'
import type { Series } from '../plot/log-panel.ts'
import { drawPanel, text } from '../plot/log-panel.ts'

const width = 900
const colours: Readonly<Record<string, string>> = { leader: '#1b6ca8', socket: '#2e8b57', follower: '#8a5fbf', etcd: '#c0392b' }

/** `caption`: machine and parameters. */
export function drawCommits(rows: readonly Measurement[], caption: string): string {
  const measured = rows.filter(({ parameters }) => typeof parameters['inFlight'] === 'number')
  const rates = series(measured, 'rate', '')
  const latencies = [...series(measured, 'p50', ''), ...series(measured, 'p99', '4 3')]
  const parts = [
    text(20, 26, 'Commits: three synced servers with mutual TLS, 600-octet commands', 'font-size="16" font-weight="bold"'),
    drawPanel(50, 'commits/s', rates),
    drawPanel(370, 'latency in ms; p99 dashed', latencies),
    text(20, 690, caption, 'font-size="8"'),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 700" width="${width}" height="700" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}

/** One a way, and one of the peer, whose figures stand beside the first way's. */
function series(rows: readonly Measurement[], name: string, dash: string): Series[] {
  const ways = [...new Set(rows.map(({ parameters }) => String(parameters['way'])))]
  const of = (way: string, pick: (figure: Figure) => number | undefined): Series['points'] =>
    rows.flatMap(({ parameters, figures }) => {
      const value = parameters['way'] === way ? pick(figures[name]!) : undefined
      return value === undefined || value <= 0 ? [] : [[Number(parameters['inFlight']), value] as const]
    })
  const ours = ways.map((way) => ({ name: way, colour: colours[way] ?? 'black', dash, points: of(way, ({ median }) => median) }))
  const peer = of(ways[0] ?? '', ({ comparison }) => comparison?.figure.median)
  return peer.length === 0 ? ours : [...ours, { name: 'etcd', colour: colours['etcd']!, dash, points: peer }]
}
