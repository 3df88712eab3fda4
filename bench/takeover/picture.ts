/** First packets, a sweep and the ticks' own one, by sessions. */

import type { Measurement } from '../bench.ts'
import { drawPage, seriesOf } from '../plot/page.ts'

export function takeoverPicture(rows: readonly Measurement[], caption: string): string {
  const of = (name: string, colour: string, what: string, figure: string) => seriesOf(rows, { name, colour, what, figure })
  const eager = (name: string, colour: string, figure: string) =>
    seriesOf(rows, { name, colour, what: 'first packet', figure, value: ({ comparison }) => comparison?.figure.median })
  return drawPage(
    'A takeover, by the number of sessions that the dead gateway had',
    [
      {
        title: 'ms from GatewayDown to the first packet of an arbitrary session',
        series: [
          of('from the client', '#1b6ca8', 'first packet', 'from the client'),
          of('to the client', '#2e8b57', 'first packet', 'to the client'),
          eager('eager: from the client', '#c0392b', 'from the client'),
        ],
      },
      {
        title: 'ms until every session was looked at',
        series: [
          of('swept at once', '#1b6ca8', 'every session', 'swept'),
          of('by ticks: processor time', '#8a5fbf', 'by ticks alone', 'processor time'),
          of('by ticks: longest tick', '#d68910', 'by ticks alone', 'longest tick'),
        ],
      },
    ],
    caption,
  )
}
