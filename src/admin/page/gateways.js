/** The gateways with their load, and the figures of the whole cluster. */

import { linePath } from './bands.js'
import { colourOf, gatewayName } from './colours.js'
import { draw, element, keepChildren, make, setAttribute, setText } from './dom.js'
import { percent, span, whole } from './formats.js'

/** Of the line of packets a second: as many seconds, about. */
const RATES = 60
const LINE = { width: 88, height: 22 }

export class GatewaysView {
  #actions
  #history

  constructor(actions, history) {
    this.#actions = actions
    this.#history = history
    element('rebalance').addEventListener('click', () => actions.rebalance())
  }

  show(cluster, gateways) {
    const sum = (key) => gateways.reduce((total, gateway) => total + gateway[key], 0)
    const serving = gateways.filter(({ state }) => state === 'up')
    const figures = {
      sessions: sum('sessions'),
      rate: sum('packetsPerSecond'),
      capacity: serving.reduce((all, { capacity }) => all + capacity, 0),
    }
    showFigures(cluster, gateways, figures)
    element('rebalance').disabled = !this.#actions.areAllowed
    const rows = gateways.map((gateway) => ({
      ...gateway,
      isLeader: gateway.id === cluster.leader,
      isHere: gateway.id === cluster.gateway,
      figures,
    }))
    keepChildren(
      element('gateways'),
      rows,
      ({ id }) => id,
      (row) => this.#row(row),
    )
  }

  #row({ id }) {
    let shown = null
    const badges = make('span', { class: 'badges' })
    const state = make('span', { class: 'state' })
    const heldBack = make('span', { class: 'quiet sub' })
    const sessions = make('span', { class: 'amount' })
    const share = make('span', { class: 'quiet' })
    const bar = draw('rect', { class: 'fill', x: 0, y: 0, height: 6 })
    const due = draw('line', { class: 'due', y1: -1, y2: 7 })
    const rate = make('span', { class: 'amount' })
    const line = draw('path', {})
    const capacity = make('td', { class: 'number wide' })
    const button = make('button', { type: 'button', class: 'small' })
    button.addEventListener('click', () => (shown.state === 'draining' ? this.#actions.undrain(shown) : this.#actions.drain(shown)))
    const node = make(
      'tr',
      { 'data-gateway': id, 'data-colour': colourOf(id) },
      make('th', { scope: 'row' }, make('span', { class: 'title' }, gatewayName(id), badges), state, heldBack),
      make('td', {}, make('span', { class: 'pair' }, sessions, share), bars(bar, due)),
      make('td', { class: 'number' }, rate, draw('svg', { class: 'line', ...LINE, 'aria-hidden': 'true' }, line)),
      capacity,
      make('td', { class: 'number' }, button),
    )
    const update = (row) => {
      shown = row
      const { figures } = row
      const part = figures.sessions === 0 ? 0 : row.sessions / figures.sessions
      const fair = row.state === 'up' && figures.capacity > 0 ? row.capacity / figures.capacity : 0
      setText(badges, [row.isLeader ? 'leader' : '', row.isHere ? 'here' : ''].filter((text) => text !== '').join(' · '))
      setText(state, row.state)
      setText(heldBack, row.backoffMs > 0 ? `held back ${span(row.backoffMs)}` : '')
      setAttribute(state, 'class', `state ${row.state}`)
      setText(sessions, whole(row.sessions))
      setText(share, figures.sessions === 0 ? '' : percent(part))
      setAttribute(bar, 'width', Math.round(1000 * part) / 10)
      setAttribute(due, 'x1', 100 * fair)
      setAttribute(due, 'x2', 100 * fair)
      setText(rate, whole(row.packetsPerSecond))
      setAttribute(line, 'd', linePath(this.#history.rates(row.id, RATES), LINE.width, LINE.height))
      setText(capacity, row.capacity)
      setText(button, row.state === 'draining' ? 'Undrain' : 'Drain')
      setAttribute(button, 'aria-label', `${row.state === 'draining' ? 'Undrain' : 'Drain'} ${row.id}`)
      button.disabled = !this.#actions.areAllowed || row.state === 'down'
    }
    return { node, update }
  }
}

/** The part of all sessions, and a tick at what would be fair by capacity. */
function bars(bar, due) {
  const back = draw('rect', { class: 'back', x: 0, y: 0, width: 100, height: 6 })
  return draw('svg', { class: 'bar', viewBox: '0 -1 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, back, bar, due)
}

function showFigures(cluster, gateways, { sessions, rate }) {
  const up = gateways.filter(({ state }) => state === 'up').length
  setText(element('figure-sessions'), whole(sessions))
  setText(element('figure-rate'), whole(rate))
  setText(element('figure-up'), `${up} of ${gateways.length}`)
  setAttribute(element('figure-up'), 'class', up < gateways.length ? 'warn' : null)
  setText(element('figure-leader'), cluster.leader ?? 'none')
  setAttribute(element('figure-leader'), 'class', cluster.leader === null ? 'bad' : null)
  setText(element('figure-term'), `term ${whole(cluster.term)}`)
  setText(element('figure-index'), whole(cluster.commitIndex))
}
