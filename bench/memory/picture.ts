/** What a session takes, and for how long the event loop stands still with so many. */

import type { Figure, Measurement } from '../bench.ts'
import type { Bar } from '../plot/bars.ts'
import { drawBars } from '../plot/bars.ts'

export function drawMemory(rows: readonly Measurement[], caption: string): string {
  const bars = (name: string): Bar[] => rows.flatMap(({ parameters: { what }, figures }) => barOf(String(what), figures[name]))
  const stalls = rows.find(({ figures }) => figures['max'] !== undefined)?.figures ?? {}
  return drawBars(
    'What a session takes on a gateway, and how long its event loop stands still',
    [
      { title: 'resident octets a session', unit: 'octets', bars: bars('resident') },
      { title: 'of them in the JavaScript heap', unit: 'octets', bars: bars('JavaScript heap') },
      { title: 'stalls of the event loop', unit: 'ms', bars: ['p99', 'max'].flatMap((name) => barOf(name, stalls[name])) },
    ],
    caption,
  )
}

function barOf(name: string, figure: Figure | undefined): Bar[] {
  return figure === undefined ? [] : [{ ...figure, name }]
}
