/** Figures as bars beside one another: the median a bar, a line from the least to the most; a block for each unit, with an axis of its own. */

import type { Figure, Measurement } from '../bench.ts'
import { text } from './log-panel.ts'

export interface Bar extends Pick<Figure, 'median' | 'least' | 'most'> {
  readonly name: string
}

export interface Block {
  readonly title: string
  readonly unit: string
  readonly bars: readonly Bar[]
}

const width = 900
const left = 330
const right = 800
const rowPitch = 22
const blockGap = 44
const top = 64

/** `caption`: machine and parameters. */
export function drawBars(title: string, blocks: readonly Block[], caption: string): string {
  const parts: string[] = []
  let y = top
  for (const block of blocks.filter(({ bars }) => bars.length > 0)) {
    parts.push(drawBlock(block, y))
    y += block.bars.length * rowPitch + blockGap
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 20}" width="${width}" height="${y + 20}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${text(20, 26, title, 'font-size="16" font-weight="bold"')}
${parts.join('\n')}
${text(20, y, caption, 'font-size="8"')}
</svg>
`
}

/** A block a unit; each figure of each row a bar, named after the row's parameters and, where there are several, itself. */
export function blocksOf(rows: readonly Measurement[]): Block[] {
  const bars = rows.flatMap(({ parameters, figures }) => {
    const what = Object.values(parameters).join(', ')
    const isOnly = Object.keys(figures).length === 1
    return Object.entries(figures).map(([name, figure]) => ({
      unit: figure.unit,
      bar: { name: isOnly ? what : `${what}: ${name}`, ...figure },
    }))
  })
  const units = [...new Set(bars.map(({ unit }) => unit))]
  return units.map((unit) => ({ title: unit, unit, bars: bars.filter((one) => one.unit === unit).map(({ bar }) => bar) }))
}

function drawBlock({ title, unit, bars }: Block, from: number): string {
  const most = Math.max(...bars.map((bar) => bar.most), Number.MIN_VALUE)
  const x = (value: number): number => left + ((right - left) * value) / most
  const drawn = bars.map((bar, i) => drawBar(bar, unit, from + 8 + rowPitch * i, x))
  return [text(20, from, title, 'font-size="12" font-weight="bold"'), ...drawn].join('\n')
}

function drawBar({ name, median, least, most }: Bar, unit: string, y: number, x: (value: number) => number): string {
  const middle = y + rowPitch / 2 - 2
  const rect = `<rect x="${left}" y="${y}" width="${Math.max(1, x(median) - left).toFixed(1)}" height="${rowPitch - 6}" fill="#1b6ca8" fill-opacity="0.7"/>`
  const line = `<line x1="${x(least).toFixed(1)}" y1="${middle}" x2="${x(most).toFixed(1)}" y2="${middle}" stroke="#222"/>`
  const words = `${median >= 100 ? median.toFixed(0) : Number(median.toPrecision(3))} ${unit}`
  return [text(20, middle + 4, name, 'font-size="11"'), rect, line, text(x(most) + 6, middle + 4, words, 'font-size="11"')].join('')
}
