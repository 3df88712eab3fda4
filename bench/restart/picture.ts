/** What a checkpoint with so many changes costs, by sessions. */

import type { Measurement } from '../bench.ts'
import { drawPage, seriesOf } from '../plot/page.ts'

export function restartPicture(rows: readonly Measurement[], caption: string): string {
  const of = (name: string, colour: string, figure: string) => seriesOf(rows, { name, colour, what: 'checkpoint', figure })
  return drawPage(
    'A checkpoint with as many changes each time, by the number of sessions',
    [
      { title: 'ms', series: [of('processor time', '#1b6ca8', 'processor time'), of('wall time', '#8a5fbf', 'wall time')] },
      { title: 'octets written', series: [of('records', '#2e8b57', 'octets')] },
    ],
    caption,
  )
}
