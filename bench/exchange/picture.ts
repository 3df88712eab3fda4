/** The rows of the bench as a picture: exchanges/s and the servers' processor time for each, by exchanges in flight; both axes logarithmic. */

import type { Figure, Measurement } from '../bench.ts'
import type { Series } from '../plot/log-panel.ts'
import { drawPanel, text } from '../plot/log-panel.ts'

const width = 900
const colours = { handshakes: '#1b6ca8', liveness: '#2e8b57' } as const

/** `caption`: machine and parameters. */
export function drawExchanges(rows: readonly Measurement[], caption: string): string {
  const parts = [
    text(20, 26, 'IKE exchanges of three gateways, all committed; dashed: one strongSwan', 'font-size="16" font-weight="bold"'),
    drawPanel(50, 'exchanges/s', series(rows, 'rate')),
    drawPanel(370, 'latency in ms, p50', series(rows, 'p50')),
    drawPanel(690, 'processor time of the servers for an exchange, µs', series(rows, 'server time')),
    text(20, 1010, caption, 'font-size="8"'),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 1020" width="${width}" height="1020" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}

function series(rows: readonly Measurement[], name: string): Series[] {
  return (['handshakes', 'liveness'] as const).flatMap((kind) => [
    { name: kind, colour: colours[kind], dash: '', points: points(rows, kind, name, ({ median }) => median) },
    {
      name: `${kind}, strongSwan`,
      colour: colours[kind],
      dash: '4 3',
      points: points(rows, kind, name, ({ comparison }) => comparison?.figure.median),
    },
  ])
}

function points(rows: readonly Measurement[], kind: string, name: string, pick: (figure: Figure) => number | undefined): Series['points'] {
  return rows.flatMap(({ parameters, figures }) => {
    const value = parameters['kind'] === kind ? pick(figures[name]!) : undefined
    return value === undefined || value <= 0 ? [] : [[Number(parameters['inFlight']), value] as const]
  })
}
