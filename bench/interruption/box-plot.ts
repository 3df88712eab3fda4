/** The rows of the bench as box plots, in SVG: quartiles as a box, the median a line in it, p95 a dot, whiskers to the least and the most. */

import type { Figure, Measurement } from '../bench.ts'
import type { Spread } from './spread.ts'

export interface Box extends Omit<Spread, 'count' | 'mean'> {
  readonly colour: string
}

export interface BoxGroup {
  readonly name: string
  readonly boxes: readonly Box[]
  /** What was published of the like; null: nothing. */
  readonly published: number | null
}

interface Panel {
  readonly title: string
  readonly transport: string
  /** The figures' name without `p50`. */
  readonly figure: string
}

const width = 1000
const plot = { left: 70, right: 980, height: 230 }
const panelPitch = 300
const panels: readonly Panel[] = [
  { title: 'calls (UDP, to the client): longest silence since the event, less 20 ms', transport: 'UDP', figure: 'interruption' },
  { title: 'audio (TCP): longest time without data, less 20 ms', transport: 'TCP', figure: 'no data' },
  { title: 'audio (TCP): silence that a player with a buffer of 200 ms lets hear', transport: 'TCP', figure: 'silence' },
]
const colours: Readonly<Record<string, string>> = { 'AES-128-CBC': '#1b6ca8', 'AES-128-CTR': '#c0702b', 'all ciphers': '#777777' }
/** A logarithm has no place for 0: what is less than this stands at the foot. */
const FLOOR_MS = 1
const CEILING_MS = 1_000_000

/** `caption`: machine and parameters. */
export function drawInterruption(rows: readonly Measurement[], caption: string): string {
  const height = 60 + panelPitch * panels.length + 20
  const parts = [
    text(20, 26, 'Interruption of stock clients’ calls and audio', 'font-size="16" font-weight="bold"'),
    legend(),
    ...panels.map((panel, i) => drawPanel(50 + panelPitch * i, panel.title, groupsOf(rows, panel))),
    text(20, height - 10, caption, 'font-size="8"'),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}

/** A group a row's `group`: its cells' boxes, and where it has no cells that of all. */
export function groupsOf(rows: readonly Measurement[], { transport, figure }: Omit<Panel, 'title'>): BoxGroup[] {
  const ofTransport = rows.filter(({ parameters }) => parameters['transport'] === transport)
  const names = [...new Set(ofTransport.map(({ parameters }) => String(parameters['group'])))]
  return names.map((name) => {
    const ofGroup = ofTransport.filter(({ parameters }) => parameters['group'] === name)
    const cells = ofGroup.filter(({ parameters }) => parameters['cipher'] !== 'all ciphers')
    const shown = cells.length > 0 ? cells : ofGroup
    const publishedMs = ofGroup[0]?.figures[`${figure} mean`]?.comparison?.figure.median ?? null
    return { name, published: publishedMs, boxes: shown.flatMap((row) => boxOf(row, figure) ?? []) }
  })
}

function boxOf({ parameters, figures }: Measurement, figure: string): Box | null {
  const value = (percentile: string): Figure | undefined => figures[`${figure} ${percentile}`]
  const [p25, p50, p75, p95] = [value('p25'), value('p50'), value('p75'), value('p95')]
  if (p25 === undefined || p50 === undefined || p75 === undefined || p95 === undefined) return null
  return {
    colour: colours[String(parameters['cipher'])] ?? 'black',
    least: p50.least,
    p25: p25.median,
    p50: p50.median,
    p75: p75.median,
    p95: p95.median,
    most: p50.most,
  }
}

function drawPanel(top: number, title: string, groups: readonly BoxGroup[]): string {
  const all = groups.flatMap(({ boxes, published }) => [...boxes.map(({ most }) => most), published ?? 0])
  const ticks = decadesTo(Math.max(10, ...all))
  const y = heights(top, ticks.at(-1)!)
  const grid = ticks.map((tick) => line(plot.left, y(tick), plot.right, y(tick), '#ddd') + text(20, y(tick) + 4, label(tick)))
  const pitch = (plot.right - plot.left) / Math.max(1, groups.length)
  const drawn = groups.map((group, i) => drawGroup(group, plot.left + pitch * i, pitch, top, y))
  return [text(plot.left, top + 12, title, 'font-size="12"'), ...grid, ...drawn].join('\n')
}

function drawGroup({ name, boxes, published }: BoxGroup, left: number, pitch: number, top: number, y: (ms: number) => number): string {
  const step = Math.min(20, (pitch - 16) / Math.max(1, boxes.length))
  const first = left + (pitch - step * boxes.length) / 2
  const drawn = boxes.map((box, i) => drawBox(box, first + step * i + step * 0.15, step * 0.7, y))
  const dashed =
    published === null
      ? ''
      : line(left + 6, y(published), left + pitch - 6, y(published), '#b00020', '5 3') +
        text(left + 6, y(published) - 4, `best published ${(published / 1000).toFixed(2)} s`, 'font-size="9" fill="#b00020"')
  // `bystanders of kill of a holder` has no room in one line.
  const words = name.split(/ (?=of )/).map((part, i) => text(left + 8, top + plot.height + 38 + 12 * i, part))
  return [...drawn, dashed, ...words].join('\n')
}

function drawBox(box: Box, x: number, boxWidth: number, y: (ms: number) => number): string {
  const middle = x + boxWidth / 2
  const [above, below] = [y(box.p75), y(box.p25)]
  const rect = `<rect x="${fixed(x)}" y="${fixed(above)}" width="${fixed(boxWidth)}" height="${fixed(Math.max(1, below - above))}" fill="${box.colour}" fill-opacity="0.35" stroke="${box.colour}"/>`
  return [
    line(middle, y(box.least), middle, below, box.colour),
    line(middle, above, middle, y(box.most), box.colour),
    rect,
    line(x, y(box.p50), x + boxWidth, y(box.p50), box.colour, '', 2),
    `<circle cx="${fixed(middle)}" cy="${fixed(y(box.p95))}" r="2" fill="${box.colour}"/>`,
  ].join('')
}

function legend(): string {
  const words = Object.entries(colours).map(([name, colour], i) => text(430 + 110 * i, 26, `■ ${name}`, `font-size="11" fill="${colour}"`))
  return [...words, text(750, 20, 'each 8, 48, 96 kbit/s from the left'), text(750, 34, 'box: quartiles; dot: p95; whiskers: all')].join(
    '\n',
  )
}

/** Logarithmic, from `FLOOR_MS` at the foot to `topMs`. */
function heights(top: number, topMs: number): (ms: number) => number {
  const foot = top + 22 + plot.height
  const span = Math.log(topMs / FLOOR_MS)
  return (ms) => foot - (plot.height * Math.log(Math.max(FLOOR_MS, ms) / FLOOR_MS)) / span
}

function decadesTo(ms: number): number[] {
  const ticks: number[] = [FLOOR_MS]
  while (ticks.at(-1)! < Math.min(ms, CEILING_MS)) ticks.push(10 * ticks.at(-1)!)
  return ticks
}

function label(ms: number): string {
  if (ms === FLOOR_MS) return `≤ ${FLOOR_MS} ms`
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, dash = '', lineWidth = 1): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="${colour}" stroke-width="${lineWidth}" stroke-dasharray="${dash}"/>`
}

function text(x: number, y: number, words: string, attributes = 'font-size="10"'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped}</text>`
}

function fixed(value: number): string {
  return value.toFixed(1)
}
