/**
 * Who owns how many sessions, over the last minutes, as bands in the colours of the gateways, with marks of what happened; below, on the same
 * times, how long sessions were interrupted. Beside it the numbers now, or at the time that the pointer is at.
 */

import { bandPath, linear, logarithmic, runsIn, stack, ticksTo, timeTicks } from './bands.js'
import { colourOf, gatewayName } from './colours.js'
import { draw, element, keepChildren, make, setAttribute, setText } from './dom.js'
import { clock, count, duration, percent, short, span, whole } from './formats.js'
import { GAP_MS, KEPT_MS } from './history.js'
import { markOf } from './words.js'

/** Of them the shortest that shows all that there is. */
const WINDOWS_MS = [30_000, 60_000, 120_000, 300_000, 600_000, KEPT_MS]
const TOP = 22
const BANDS = 190
const STRIP = 64
const STRIP_GAP = 28
const LEFT = 52
const RIGHT = 10
const AXIS = 22
/** A mark's label is left out where it would lie on another. */
const LABEL_APART = 76
const STRIP_TICKS = [1, 10, 100, 1000, 10_000]
const TABLE_ROWS = 12

export class OwnersChart {
  #svg = element('owners-chart')
  #width = 800
  /** Chosen by hand; null: as much as there is. */
  #windowMs = null
  #pointerX = null
  #shown = null

  constructor() {
    new ResizeObserver(([{ contentRect }]) => {
      this.#width = Math.max(240, Math.floor(contentRect.width))
      this.#redraw()
    }).observe(this.#svg.parentElement)
    this.#svg.addEventListener('pointermove', ({ offsetX }) => this.#point(offsetX))
    this.#svg.addEventListener('pointerleave', () => this.#point(null))
    element('windows').addEventListener('change', ({ target }) => {
      this.#windowMs = target.value === 'auto' ? null : Number(target.value)
      this.#redraw()
    })
  }

  /** `gateways` as the API gives them, `moves` the entries of moves.js. */
  show(history, gateways, moves, nowMs) {
    this.#shown = { samples: history.samples, gateways, moves, nowMs }
    this.#redraw()
  }

  #point(x) {
    this.#pointerX = x
    this.#redraw()
  }

  #redraw() {
    if (this.#shown === null || this.#shown.samples.length === 0) return
    const { samples, gateways, moves, nowMs } = this.#shown
    const toMs = Math.max(nowMs, samples.at(-1).timeMs)
    const windowMs = this.#windowMs ?? windowFor(toMs - samples[0].timeMs)
    const fromMs = toMs - windowMs
    const ids = idsIn(samples, gateways)
    const highest = Math.max(...samples.map(({ sessions }) => total(sessions)))
    const x = linear([fromMs, toMs], [LEFT, this.#width - RIGHT])
    const yTicks = ticksTo(highest, 4)
    const y = linear([0, yTicks.at(-1)], [TOP + BANDS, TOP])
    const measured = moves.filter(({ interruptions, timeMs }) => interruptions.length > 0 && timeMs >= fromMs)
    const strip = measured.length > 0 ? STRIP_GAP + STRIP : 0
    const height = TOP + BANDS + strip + AXIS
    const frame = { x, y, fromMs, toMs, right: this.#width - RIGHT, height }
    const at =
      this.#pointerX === null || this.#pointerX < LEFT ? null : fromMs + (this.#pointerX - LEFT) / ((frame.right - LEFT) / windowMs)
    const runs = runsIn(samples, fromMs, GAP_MS)
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${height}`)
    this.#svg.setAttribute('height', height)
    this.#svg.replaceChildren(
      clip(this.#width - LEFT - RIGHT, height),
      ...yTicks.map((tick) => gridLine(tick, frame)),
      draw('g', { 'clip-path': 'url(#owners-clip)' }, ...runs.flatMap((run) => bandsOf(run, ids, frame))),
      ...marks(moves, frame),
      ...(strip > 0 ? stripOf(measured, frame, TOP + BANDS + STRIP_GAP) : []),
      ...timeTicks(fromMs, toMs, Math.max(2, Math.floor(this.#width / 110))).map((tick) => timeLabel(tick, frame)),
      ...(at === null ? [] : [draw('line', { class: 'pointer', x1: this.#pointerX, x2: this.#pointerX, y1: TOP, y2: height - AXIS })]),
    )
    const sample = at === null ? samples.at(-1) : (samples.findLast(({ timeMs }) => timeMs <= at) ?? samples[0])
    setText(element('owners-at'), at === null ? 'now' : `${clock(sample.timeMs)}, ${span(toMs - sample.timeMs)} ago`)
    showLegend(sample, ids, gateways)
    describe(this.#svg, samples.at(-1), ids, windowMs)
    if (element('owners-table').open) showTable(samples, ids, fromMs)
  }
}

function windowFor(ageMs) {
  return WINDOWS_MS.find((windowMs) => windowMs >= ageMs) ?? KEPT_MS
}

/** Those that there are, and those that had sessions lately. */
function idsIn(samples, gateways) {
  const ids = new Set(gateways.map(({ id }) => id))
  for (const { sessions } of samples) for (const [id, many] of Object.entries(sessions)) if (many > 0) ids.add(id)
  return [...ids].sort((a, b) => (a < b ? -1 : 1))
}

function total(sessions) {
  return Object.values(sessions).reduce((sum, many) => sum + many, 0)
}

function clip(width, height) {
  return draw('clipPath', { id: 'owners-clip' }, draw('rect', { x: LEFT, y: 0, width, height }))
}

function gridLine(tick, { y, right }) {
  const at = Math.round(y(tick)) + 0.5
  return draw(
    'g',
    {},
    draw('line', { class: tick === 0 ? 'axis' : 'grid', x1: LEFT, x2: right, y1: at, y2: at }),
    draw('text', { class: 'label', x: LEFT - 8, y: at + 4, 'text-anchor': 'end' }, short(tick)),
  )
}

function timeLabel(tick, { x, toMs, height }) {
  return draw('text', { class: 'label', x: x(tick), y: height - 6, 'text-anchor': 'middle' }, `−${span(toMs - tick)}`)
}

function bandsOf(run, ids, { x, y }) {
  return stack(run, ids).flatMap(({ id, points }) => {
    const d = bandPath(points, x, y)
    return d === '' ? [] : [draw('path', { class: 'band', 'data-colour': colourOf(id), d })]
  })
}

/** What there is no room for has a line without a label; takeovers have theirs first. */
function marks(moves, { x, fromMs, toMs, right }) {
  const seen = []
  const isTakeover = ({ type }) => type === 'takeover'
  return [...moves.filter(isTakeover), ...moves.filter((entry) => !isTakeover(entry))].flatMap((entry) => {
    const label = markOf(entry)
    if (label === null || entry.timeMs < fromMs || entry.timeMs > toMs) return []
    const at = Math.round(x(entry.timeMs)) + 0.5
    const isFree = seen.every((other) => Math.abs(other - at) >= LABEL_APART)
    if (isFree) seen.push(at)
    const anchor = at > right - LABEL_APART / 2 ? 'end' : at < LEFT + LABEL_APART / 2 ? 'start' : 'middle'
    const line = draw('line', { x1: at, x2: at, y1: isFree ? TOP - 6 : TOP, y2: TOP + BANDS })
    const text = isFree ? [draw('text', { x: at, y: TOP - 10, 'text-anchor': anchor }, label)] : []
    return [draw('g', { class: `mark ${entry.type}` }, line, ...text)]
  })
}

/** How long sessions were interrupted: a dot for each of the first of an entry, and a line from the least to the most. */
function stripOf(entries, { x, right }, top) {
  const most = entries.reduce((sum, { interruptions }) => interruptions.reduce((high, ms) => Math.max(high, ms), sum), 100)
  const ticks = STRIP_TICKS.filter((tick, i) => i === 0 || STRIP_TICKS[i - 1] < most)
  const y = logarithmic([ticks[0], ticks.at(-1)], [top + STRIP, top + 4])
  const lines = ticks.map((tick) => {
    const at = Math.round(y(tick)) + 0.5
    return draw(
      'g',
      {},
      draw('line', { class: 'grid', x1: LEFT, x2: right, y1: at, y2: at }),
      draw('text', { class: 'label', x: LEFT - 8, y: at + 4, 'text-anchor': 'end' }, duration(tick)),
    )
  })
  const dots = entries.flatMap(({ type, timeMs, interruptions }) => {
    const sorted = [...interruptions].sort((a, b) => a - b)
    const shown = sorted.filter((_, i) => i % Math.ceil(sorted.length / 12) === 0 || i === sorted.length - 1)
    return shown.map((ms) => draw('circle', { class: `dot ${type}`, cx: x(timeMs), cy: y(ms), r: 3 }))
  })
  return [draw('text', { class: 'label', x: LEFT, y: top - 4 }, 'how long sessions stood still'), ...lines, ...dots]
}

function showLegend({ sessions }, ids, gateways) {
  const all = total(sessions)
  const rows = ids.map((id) => ({ id, many: sessions[id] ?? 0, all, isMember: gateways.some((gateway) => gateway.id === id) }))
  keepChildren(
    element('owners-legend'),
    rows,
    ({ id }) => id,
    ({ id }) => {
      const many = make('td', { class: 'number' })
      const share = make('td', { class: 'number quiet' })
      const name = make('th', { scope: 'row' }, gatewayName(id))
      const node = make('tr', {}, name, many, share)
      const update = (row) => {
        setText(many, whole(row.many))
        setText(share, row.all === 0 ? '–' : percent(row.many / row.all))
        setAttribute(node, 'class', row.isMember ? null : 'quiet')
      }
      return { node, update }
    },
  )
  setText(element('owners-total'), whole(all))
}

/** The same in words, for who does not see it. */
function describe(svg, { sessions }, ids, windowMs) {
  const parts = ids.map((id) => `${id} ${whole(sessions[id] ?? 0)}`).join(', ')
  setAttribute(svg, 'aria-label', `${count(total(sessions), 'session')} by owner over the last ${span(windowMs)}; now ${parts}.`)
}

function showTable(samples, ids, fromMs) {
  const shown = samples.filter(({ timeMs }) => timeMs >= fromMs)
  const step = Math.max(1, Math.ceil(shown.length / TABLE_ROWS))
  const rows = shown.filter((_, i) => (shown.length - 1 - i) % step === 0).toReversed()
  const head = make(
    'tr',
    {},
    ...['Time', ...ids].map((text) => make('th', { scope: 'col', class: text === 'Time' ? null : 'number' }, text)),
  )
  const body = rows.map(({ timeMs, sessions }) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, clock(timeMs)),
      ...ids.map((id) => make('td', { class: 'number' }, whole(sessions[id] ?? 0))),
    ),
  )
  element('owners-rows').replaceChildren(make('thead', {}, head), make('tbody', {}, ...body))
}
