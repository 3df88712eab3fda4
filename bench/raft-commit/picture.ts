/** The rows of the bench as a picture: commits/s above, latency (p50, p99) below, by commands in flight; both axes logarithmic. */

import type { Figure, Measurement } from '../bench.ts'

interface Series {
  readonly name: string
  readonly colour: string
  readonly dash: string
  readonly points: readonly (readonly [inFlight: number, value: number])[]
}

const width = 900
const panel = { left: 80, right: 700, height: 260 }
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

function drawPanel(top: number, title: string, all: readonly Series[]): string {
  const xs = [...new Set(all.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b)
  const ys = all.flatMap(({ points }) => points.map(([, y]) => y))
  if (xs.length === 0) return ''
  const ticks = decades(Math.min(...ys), Math.max(...ys))
  const x = scale(xs[0]!, xs.at(-1)!, panel.left, panel.right)
  const y = scale(ticks[0]!, ticks.at(-1)!, top + panel.height, top + 20)
  const grid = ticks.map((tick) => `${line(panel.left, y(tick), panel.right, y(tick))}${text(10, y(tick) + 4, `${tick}`)}`)
  const bottom = xs.map((value) => text(x(value) - 8, top + panel.height + 16, `${value}`))
  const curves = all.map(({ colour, dash, points }) => {
    const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`
  })
  const legend = all
    .filter(({ dash }) => dash === '')
    .map(({ name, colour }, i) => text(panel.right + 20, top + 34 + 18 * i, name, `font-size="12" fill="${colour}"`))
  return [text(panel.left, top + 10, title, 'font-size="12"'), ...grid, ...bottom, ...curves, ...legend].join('\n')
}

/** Logarithmic. */
function scale(from: number, to: number, low: number, high: number): (value: number) => number {
  const span = Math.log(to / from) || 1
  return (value) => low + ((high - low) * Math.log(value / from)) / span
}

/** Powers of ten around both. */
function decades(least: number, most: number): number[] {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))]
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, i) => Number((10 ** (first + i)).toPrecision(1)))
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`
}

function text(x: number, y: number, words: string, attributes = 'font-size="10"'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${attributes}>${escaped}</text>`
}
