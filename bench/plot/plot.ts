/** Curves over time as SVG: panels below one another with a common axis of time, each with its own of values, and marks at moments. */

export interface Curve {
  readonly name: string
  /** Null: none at this moment. */
  readonly values: readonly (number | null)[]
  /** Thicker, and named at the side. */
  readonly isNamed?: boolean
}

export interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
  /** Bounds of the axis of values; the most of the curves unless given. */
  readonly most?: number
  /** Drawn across, at these values. */
  readonly lines?: readonly number[]
}

export interface Plot {
  readonly title: string
  /** Seconds of the values: one for each. */
  readonly seconds: readonly number[]
  readonly panels: readonly Panel[]
  readonly marks: readonly { readonly second: number; readonly text: string }[]
  /** Machine and parameters. */
  readonly caption: string
}

const width = 1000
const left = 60
const right = 880
const panelHeight = 240
const top = 70
const gap = 50
/** Colours that are told apart, over and over. */
const colours = ['#1b6ca8', '#c0392b', '#2e8b57', '#8a5fbf', '#d68910', '#17a2b8', '#7f8c8d', '#b03a78', '#5d6d1e', '#34495e']
/** Marks lie in so many rows, so that near ones don't cover one another. */
const markRows = 2

export function drawPlot(plot: Plot): string {
  const height = top + plot.panels.length * (panelHeight + gap) + 20
  const last = plot.seconds.at(-1) ?? 1
  const x = (second: number): number => left + ((right - left) * second) / (last || 1)
  const panels = plot.panels.map((panel, i) => drawPanel(panel, top + i * (panelHeight + gap), plot, x))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${text(left, 24, plot.title, 'font-size="16" font-weight="bold"')}
${panels.join('\n')}
${text(left, height - 10, plot.caption, 'font-size="9"')}
</svg>
`
}

function drawPanel(panel: Panel, from: number, { seconds, marks }: Plot, x: (second: number) => number): string {
  const bottom = from + panelHeight
  const all = panel.curves.flatMap(({ values }) => values.filter((value) => value !== null))
  const most = panel.most ?? Math.max(1, ...all)
  const y = (value: number): number => bottom - (panelHeight * Math.min(value, most)) / most
  const ticks = ticksTo(most)
  const grid = ticks.map((tick) => `${line(left, y(tick), right, y(tick), '#eee')}${text(left - 40, y(tick) + 4, `${tick}`)}`)
  const across = (panel.lines ?? []).map((value) => line(left, y(value), right, y(value), '#999', '4 3'))
  const bottoms = ticksTo(seconds.at(-1) ?? 1).map((second) => text(x(second) - 8, bottom + 14, `${second} s`))
  const moments = marks.map(({ second, text: words }, i) => {
    const at = from + 12 + 12 * (i % markRows)
    return `${line(x(second), from, x(second), bottom, '#bbb', '2 3')}${text(x(second) + 3, at, words, 'font-size="10" fill="#555"')}`
  })
  const curves = panel.curves.map((curve, i) => drawCurve(curve, colours[i % colours.length]!, seconds, x, y))
  const named = panel.curves.flatMap((curve, i) => (curve.isNamed === true ? [{ curve, colour: colours[i % colours.length]! }] : []))
  const legend = named.map(({ curve, colour }, i) => text(right + 10, from + 14 + 15 * i, curve.name, `font-size="11" fill="${colour}"`))
  return [text(left, from - 8, panel.title, 'font-size="12"'), ...grid, ...across, ...bottoms, ...moments, ...curves, ...legend].join('\n')
}

/** In pieces where it has no value. */
function drawCurve(
  { values, isNamed }: Curve,
  colour: string,
  seconds: readonly number[],
  x: (v: number) => number,
  y: (v: number) => number,
): string {
  const pieces: string[][] = [[]]
  values.forEach((value, i) => {
    if (value === null) pieces.push([])
    else pieces.at(-1)!.push(`${x(seconds[i]!).toFixed(1)},${y(value).toFixed(1)}`)
  })
  const look = `fill="none" stroke="${colour}" stroke-width="${isNamed === true ? 2 : 1}" stroke-opacity="${isNamed === true ? 1 : 0.6}"`
  return pieces
    .filter((piece) => piece.length > 1)
    .map((piece) => `<polyline points="${piece.join(' ')}" ${look}/>`)
    .join('')
}

/** Round numbers from 0 to `most`, some five of them. */
function ticksTo(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(6)))
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, dash = ''): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${colour}" stroke-dasharray="${dash}"/>`
}

function text(x: number, y: number, words: string, attributes = 'font-size="10"'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${attributes}>${escaped}</text>`
}
