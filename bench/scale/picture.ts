/** Small multiples over the number of sessions, a curve for each number of gateways; both axes logarithmic. */

import type { Measurement } from '../bench.ts'
import type { Series } from '../plot/log-panel.ts'
import { drawPanel, text } from '../plot/log-panel.ts'

const panels: readonly (readonly [figure: string, title: string])[] = [
  ['commits', 'commits a second'],
  ['log of a session', 'log: octets a second of a session'],
  ['of a session to each other gateway', 'Raft on the wire: octets a second of a session, to each other gateway'],
  ['of a session’s packets', 'mesh: octets a second of a session’s packets'],
  ['mesh, heartbeats', 'mesh: octets a second of heartbeats'],
  ['until applied everywhere p50', 'ms until a command is applied everywhere (p50)'],
  ['its processor time', 'ms of processor time of a takeover, at each gateway'],
  ['balance after a join', 's until loads are even after a join'],
  ['after a failure', 's until loads are even after a failure'],
]
const colours = ['#1b6ca8', '#2e8b57', '#d68910', '#c0392b']
const columns = 3
const cell = { width: 860, height: 320 }
const scale = 0.5

/** `caption`: machine and parameters. */
export function drawScale(rows: readonly Measurement[], caption: string): string {
  const width = columns * cell.width * scale
  const height = 60 + Math.ceil(panels.length / columns) * cell.height * scale + 30
  const drawn = panels.map(([figure, title], i) => {
    const [x, y] = [(i % columns) * cell.width * scale, 50 + Math.floor(i / columns) * cell.height * scale]
    return `<g transform="translate(${x} ${y}) scale(${scale})">\n${drawPanel(10, title, seriesOf(rows, figure))}\n</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${text(20, 26, 'What a session costs, by sessions and gateways', 'font-size="16" font-weight="bold"')}
${drawn.join('\n')}
${text(20, height - 10, caption, 'font-size="8"')}
</svg>
`
}

/** What is not there, or never came, is not drawn. */
function seriesOf(rows: readonly Measurement[], name: string): Series[] {
  const counts = [
    ...new Set(rows.flatMap(({ parameters }) => (typeof parameters['gateways'] === 'number' ? [parameters['gateways']] : []))),
  ]
  return counts.map((gateways, i) => ({
    name: `${gateways} gateways`,
    colour: colours[i % colours.length]!,
    dash: '',
    points: rows.flatMap(({ parameters, figures }) => {
      const value = parameters['gateways'] === gateways ? figures[name]?.median : undefined
      return value !== undefined && value > 0 && Number.isFinite(value) ? [[Number(parameters['sessions']), value] as const] : []
    }),
  }))
}
