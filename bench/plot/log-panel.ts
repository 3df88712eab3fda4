/** A panel of curves with both axes logarithmic, as a piece of SVG. */

export interface Series {
  readonly name: string
  readonly colour: string
  readonly dash: string
  /** Both above 0. */
  readonly points: readonly (readonly [x: number, y: number])[]
}

export const panel = { left: 80, right: 700, height: 260 }

/** From `top` down; those that are not dashed are named at the side. Empty without points. */
export function drawPanel(top: number, title: string, all: readonly Series[]): string {
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

export function text(x: number, y: number, words: string, attributes = 'font-size="10"'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${attributes}>${escaped}</text>`
}
