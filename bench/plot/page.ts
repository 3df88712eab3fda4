/** A page of panels with both axes logarithmic, below one another, as SVG; and rows of a bench as series. */

import type { Figure, Measurement } from '../bench.ts'
import type { Series } from './log-panel.ts'
import { drawPanel, panel, text } from './log-panel.ts'

const width = 900
const gap = 60

/** `caption`: machine and parameters. */
export function drawPage(
  title: string,
  panels: readonly { readonly title: string; readonly series: readonly Series[] }[],
  caption: string,
): string {
  const height = 80 + panels.length * (panel.height + gap)
  const parts = [
    text(20, 26, title, 'font-size="16" font-weight="bold"'),
    ...panels.map((one, i) => drawPanel(50 + i * (panel.height + gap), one.title, one.series)),
    text(20, height - 10, caption, 'font-size="8"'),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}

export interface SeriesChoice {
  readonly name: string
  readonly colour: string
  /** The rows with this `what`, at their `sessions`. */
  readonly what: string
  readonly figure: string
  /** The median unless told. */
  readonly value?: (figure: Figure) => number | undefined
}

/** One point a row that has it, above 0. */
export function seriesOf(rows: readonly Measurement[], { name, colour, what, figure, value }: SeriesChoice): Series {
  const points = rows.flatMap(({ parameters, figures }) => {
    const found = parameters['what'] === what ? figures[figure] : undefined
    const y = found === undefined ? undefined : (value ?? (({ median }: Figure) => median))(found)
    return y === undefined || y <= 0 ? [] : [[Number(parameters['sessions']), y] as const]
  })
  return { name, colour, dash: '', points }
}
