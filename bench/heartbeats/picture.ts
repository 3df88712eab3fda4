/** How often a silence was longer than so much, for each burden; both axes logarithmic. */

import type { Measurement } from '../bench.ts'
import { drawPanel, text } from '../plot/log-panel.ts'

const width = 900
const height = 400
const colours = ['#1b6ca8', '#2e8b57', '#d68910', '#c0392b', '#7b241c', '#8a5fbf', '#17a2b8', '#34495e']

/** `caption`: machine and parameters. */
export function drawSilences(rows: readonly Measurement[], caption: string): string {
  const series = rows
    .filter(({ parameters }) => parameters['what'] === 'longer than')
    .map(({ parameters, figures }, i) => {
      const points = Object.entries(figures).map(([limit, { median }]) => [Number.parseFloat(limit), median] as const)
      return { name: String(parameters['burden']), colour: colours[i % colours.length]!, dash: '', points: points.filter(([, y]) => y > 0) }
    })
  const parts = [
    text(20, 26, 'Silences between live gateways: how many an hour were longer than so many ms', 'font-size="16" font-weight="bold"'),
    drawPanel(50, 'silences an hour, all six pairs together', series),
    text(20, height - 20, caption, 'font-size="8"'),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}
