/** The rows of the bench as a picture: packets/s, and packets for a second of the gateway's processor time, by size; then TCP and delays in words. */

import type { Figure, Measurement } from '../bench.ts'
import { ratioOf } from '../bench.ts'
import type { Series } from '../plot/log-panel.ts'
import { drawPanel, text } from '../plot/log-panel.ts'
import { suites } from './suites.ts'

const width = 900
const panelPitch = 320
const lineHeight = 18
/** The first figures of a row: those with goals, and one more. */
const FIGURES_IN_WORDS = 2
const colours = ['#1b6ca8', '#2e8b57', '#8a5fbf', '#c0392b']
const panels = [
  { figure: 'rate', direction: 'from client', title: 'from clients: thousand packets/s, by octets of the inner packet' },
  { figure: 'rate', direction: 'to client', title: 'to clients: thousand packets/s' },
  { figure: 'per CPU second', direction: 'from client', title: 'from clients: thousand packets for a second of processor time' },
  { figure: 'per CPU second', direction: 'to client', title: 'to clients: thousand packets for a second of processor time' },
]

/** `caption`: machine and parameters. */
export function drawEsp(rows: readonly Measurement[], caption: string): string {
  const drawn = panels.map(({ figure, direction, title }, i) => drawPanel(50 + panelPitch * i, title, series(rows, figure, direction)))
  const from = 50 + panelPitch * panels.length + lineHeight
  const words = rows.filter(({ parameters }) => 'traffic' in parameters).map(sentence)
  const height = from + lineHeight * (words.length + 2)
  const parts = [
    text(20, 26, 'Packets through one gateway; dashed: strongSwan with kernel-libipsec', 'font-size="16" font-weight="bold"'),
    ...drawn,
    ...words.map((line, i) => text(20, from + lineHeight * i, line, 'font-size="12"')),
    ...halves(caption).map((half, i) => text(20, height - 16 + 10 * i, half, 'font-size="8"')),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}

function series(rows: readonly Measurement[], name: string, direction: string): Series[] {
  return suites.flatMap((suite, i) => {
    const own = rows.filter(({ parameters }) => parameters['suite'] === suite.name && parameters['direction'] === direction)
    const points = (pick: (figure: Figure) => number | undefined): Series['points'] =>
      own.flatMap(({ parameters, figures }) => {
        const value = pick(figures[name]!) ?? 0
        return value > 0 ? [[Number(parameters['octets']), value] as const] : []
      })
    const colour = colours[i]!
    return [
      { name: suite.name, colour, dash: '', points: points(({ median }) => median) },
      { name: suite.name, colour, dash: '4 3', points: points(({ comparison }) => comparison?.figure.median) },
    ]
  })
}

function sentence({ parameters, figures }: Measurement): string {
  const what = Object.values(parameters).join(' ')
  return `${what}: ${Object.entries(figures)
    .slice(0, FIGURES_IN_WORDS)
    .map(([name, figure]) => `${name} ${valueOf(figure)}`)
    .join(', ')}`
}

/** Of a line that is too long, by its words. */
function halves(line: string): string[] {
  const words = line.split('  ')
  const middle = Math.ceil(words.length / 2)
  return [words.slice(0, middle).join('  '), words.slice(middle).join('  ')]
}

function valueOf(figure: Figure): string {
  const ratio = ratioOf(figure)
  const peer =
    figure.comparison === undefined
      ? ''
      : ` (strongSwan ${short(figure.comparison.figure.median)}${ratio === null ? '' : `, ratio ${short(ratio)}`})`
  return `${short(figure.median)} ${figure.unit}${peer}`
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
