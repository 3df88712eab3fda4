/**
 * A run as a picture (SVG): what was done to each machine, who carried each client's packets, and when a client heard or was heard of nothing. Pure; times are ms since the
 * nemesis began. Everything is in the file; what a mark stands for it also says when pointed at.
 */

import type { GatewayId } from '../lab/network.ts'
import type { Silence } from './flow.ts'
import type { Done, Finding } from './journal.ts'
import type { Kind } from './kinds.ts'
import { describeDeed, isOutage } from './kinds.ts'
import type { Carrying } from './wire-checks.ts'

export interface ClientLine {
  readonly name: string
  /** Which machine's ESP came, from when on. */
  readonly carriers: readonly Carrying[]
  /** To the client; from it. */
  readonly down: readonly Silence[]
  readonly up: readonly Silence[]
}

export interface Timeline {
  readonly title: string
  /** What was seen, below the title. */
  readonly subtitle: string
  readonly machines: readonly GatewayId[]
  readonly done: readonly Done[]
  readonly findings: readonly Finding[]
  readonly clients: readonly ClientLine[]
  /** When the picture begins, before the first deed, and ends. */
  readonly fromMs: number
  readonly toMs: number
}

const MACHINE_COLOURS = ['#5b8fc9', '#f2a35e', '#6fb56a', '#b58bbf', '#e3c84f', '#66b8b4']
const OUTAGES: Readonly<Partial<Record<Kind, readonly [colour: string, name: string]>>> = {
  kill: ['#c0392b', 'SIGKILL'],
  stop: ['#e59a92', 'SIGTERM'],
  freeze: ['#2471a3', 'SIGSTOP'],
  cut: ['#7d3c98', 'cut off'],
  'disk-hung': ['#935116', 'disk hangs'],
  'disk-full': ['#b7950b', 'disk full'],
  replace: ['#148f77', 'replaced'],
}
const INK = '#222'
const FAINT = '#777'
const BACK = '#bbb'
const SILENT = '#111'
const FOUND = '#e00000'

const LEFT = 84
const RIGHT = 24
const MACHINES_TOP = 96
const MACHINE_ROW = 34
const CLIENT_ROW = 17
const BAR = 12
const SECTION = 44
const TICKS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600]
/** Between two labelled moments. */
const TICK_PIXELS = 70
const WIDEST = 3200
const NARROWEST = 1300
const PIXELS_PER_SECOND = 14

export function drawTimeline(timeline: Timeline): string {
  const { machines, clients, fromMs, toMs } = timeline
  const width = Math.min(WIDEST, Math.max(NARROWEST, ((toMs - fromMs) / 1000) * PIXELS_PER_SECOND))
  const clientsTop = MACHINES_TOP + machines.length * MACHINE_ROW + SECTION
  const bottom = clientsTop + clients.length * CLIENT_ROW
  const x = (ms: number): number => LEFT + ((Math.min(Math.max(ms, fromMs), toMs) - fromMs) / (toMs - fromMs)) * (width - LEFT - RIGHT)
  const height = bottom + 40
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="${INK}">
<rect width="100%" height="100%" fill="white"/>
${text(LEFT, 24, timeline.title, 'font-size="17" font-weight="bold"')}
${text(LEFT, 42, timeline.subtitle, `fill="${FAINT}"`)}
${legend(machines)}
${axis(timeline, x, MACHINES_TOP - 6, bottom)}
${machines.map((machine, i) => machineRow(timeline, machine, MACHINES_TOP + i * MACHINE_ROW, x)).join('\n')}
${text(LEFT, clientsTop - 26, 'clients: whose ESP came (colour of the machine); black: 150 ms and more without a datagram, above to the client, below from it', `fill="${FAINT}"`)}
${clients.map((client, i) => clientRow(client, machines, clientsTop + i * CLIENT_ROW, x, timeline)).join('\n')}
${timeline.findings.map((finding) => findingMark(finding, x, bottom)).join('\n')}
</svg>
`
}

function legend(machines: readonly GatewayId[]): string {
  let at = LEFT
  const entry = (colour: string, name: string, isOutline = false): string => {
    const from = at
    at += 28 + name.length * (name === name.toUpperCase() ? 7.6 : 5.6)
    const paint = isOutline ? `fill="white" stroke="${colour}"` : `fill="${colour}"`
    return `<rect x="${from}" y="55" width="12" height="11" ${paint}/>${text(from + 16, 64.5, name)}`
  }
  const own = machines.map((machine) => entry(colourOf(machine, machines), machine))
  at += 24
  const outages = Object.values(OUTAGES).map(([colour, name]) => entry(colour, name))
  const back = entry(BACK, 'not back yet')
  at += 14
  const marks = [`${diamond(at + 6, 60, '#000')}${text(at + 16, 64.5, 'clock step')}`]
  at += 86
  marks.push(`<path d="M${at} 56h8l-4 8z" fill="${FAINT}"/>${text(at + 12, 64.5, 'commands')}`)
  at += 76
  marks.push(`<rect x="${at}" y="60" width="16" height="3" fill="${FAINT}"/>${text(at + 20, 64.5, 'drained')}`)
  return [...own, ...outages, back, ...marks].join('\n')
}

function axis({ fromMs, toMs }: Timeline, x: (ms: number) => number, top: number, bottom: number): string {
  const perPixel = (toMs - fromMs) / (x(toMs) - x(fromMs))
  const step = 1000 * (TICKS.find((seconds) => (seconds * 1000) / perPixel >= TICK_PIXELS) ?? TICKS.at(-1)!)
  const ticks: string[] = []
  for (let ms = Math.ceil(fromMs / step) * step; ms <= toMs; ms += step) {
    const at = x(ms).toFixed(1)
    ticks.push(
      `<path d="M${at} ${top}V${bottom + 4}" stroke="#e2e2e2"/>${text(x(ms), bottom + 18, `${ms / 1000} s`, `text-anchor="middle" fill="${FAINT}"`)}`,
    )
  }
  return ticks.join('\n')
}

function machineRow({ done, machines, toMs }: Timeline, machine: GatewayId, top: number, x: (ms: number) => number): string {
  const own = done.filter((one) => one.machines.includes(machine))
  const line = top + 22
  const parts = [
    `<rect x="8" y="${top + 9}" width="10" height="10" fill="${colourOf(machine, machines)}"/>${text(24, top + 18, machine, 'font-weight="bold"')}`,
    `<path d="M${x(-Infinity)} ${line + 4}H${x(Infinity)}" stroke="#d0d0d0"/>`,
  ]
  for (const one of own) {
    const { deed, number } = one.planned
    const about = `<title>${escape(`${number}. ${describeDeed(deed)}${one.note === '' ? '' : `: ${one.note}`}`)}</title>`
    const from = x(one.fromMs)
    const to = Math.max(from + 2, x(one.toMs ?? toMs))
    if (isOutage(deed)) {
      const [colour] = OUTAGES[deed.type]!
      const back = Math.max(to, x(one.backMs ?? toMs))
      parts.push(
        `<g>${about}<rect x="${to.toFixed(1)}" y="${top + 12}" width="${(back - to).toFixed(1)}" height="10" fill="${BACK}"/><rect x="${from.toFixed(1)}" y="${top + 12}" width="${(to - from).toFixed(1)}" height="10" fill="${colour}"/>${text(from, top + 10, String(number), 'font-size="9"')}</g>`,
      )
    } else if (deed.type === 'drain') {
      parts.push(
        `<g>${about}<rect x="${from.toFixed(1)}" y="${line + 2}" width="${(to - from).toFixed(1)}" height="3" fill="${FAINT}"/></g>`,
      )
    } else if (deed.type === 'clock') {
      parts.push(
        `<g>${about}<path d="M${from.toFixed(1)} ${line + 4}H${to.toFixed(1)}" stroke="#000" stroke-width="2"/>${diamond(from, line + 4, '#000')}</g>`,
      )
    } else {
      parts.push(`<g>${about}<path d="M${(from - 3).toFixed(1)} ${line}h6l-3 5z" fill="${FAINT}"/></g>`)
    }
  }
  return parts.join('\n')
}

function clientRow(
  { name, carriers, down, up }: ClientLine,
  machines: readonly GatewayId[],
  top: number,
  x: (ms: number) => number,
  { toMs }: Timeline,
): string {
  const bars = carriers.map(({ timeMs, gateway }, i) => {
    const from = x(timeMs)
    const to = x(carriers[i + 1]?.timeMs ?? toMs)
    return `<rect x="${from.toFixed(1)}" y="${top}" width="${(to - from).toFixed(1)}" height="${BAR}" fill="${colourOf(gateway, machines)}"/>`
  })
  const silences = (of: readonly Silence[], at: number) =>
    of.map(({ fromMs, toMs }) => {
      const width = Math.max(1, x(toMs) - x(fromMs)).toFixed(1)
      return `<rect x="${x(fromMs).toFixed(1)}" y="${at}" width="${width}" height="4" fill="${SILENT}"/>`
    })
  return [text(24, top + 10, name, 'font-size="10"'), ...bars, ...silences(down, top), ...silences(up, top + BAR - 4)].join('')
}

function findingMark({ atMs, text: what }: Finding, x: (ms: number) => number, bottom: number): string {
  if (atMs === null) return ''
  const at = x(atMs).toFixed(1)
  return `<g><title>${escape(what)}</title><path d="M${at} ${MACHINES_TOP - 12}V${bottom}" stroke="${FOUND}" stroke-dasharray="4 2"/>${text(x(atMs) + 2, MACHINES_TOP - 6, '!', `fill="${FOUND}" font-weight="bold"`)}</g>`
}

function diamond(x: number, y: number, colour: string): string {
  return `<path d="M${(x - 4).toFixed(1)} ${y}l4-4 4 4-4 4z" fill="${colour}"/>`
}

function colourOf(machine: string, machines: readonly string[]): string {
  return MACHINE_COLOURS[machines.indexOf(machine) % MACHINE_COLOURS.length] ?? '#999'
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${more}>${escape(content)}</text>`
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
