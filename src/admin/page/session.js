/** One session: who carries it and did before, what it has carried, its grants, its IKE SAs and Child SAs. */

import { linear } from './bands.js'
import { colourOf, gatewayName } from './colours.js'
import { draw, element, make, setText } from './dom.js'
import { count, dateAndClock, duration, octets, span, whole } from './formats.js'

const REFRESH_MS = 1000

export class SessionView {
  #api
  #actions
  #id = null
  #session = null
  #gateways = []
  #told = ''

  constructor(api, actions) {
    this.#api = api
    this.#actions = actions
    setInterval(() => {
      if (this.#id !== null && !document.hidden) void this.#load()
    }, REFRESH_MS)
    element('transfer').addEventListener('click', () => actions.transfer(this.#session, this.#targets()))
    element('terminate').addEventListener('click', () => actions.terminate(this.#session, () => (location.hash = '#/sessions')))
  }

  /** Null: it is not shown. */
  open(id) {
    if (id !== null && id !== this.#id) this.#show(null, 'looking …')
    this.#id = id
    if (id !== null) void this.#load()
  }

  showGateways(gateways) {
    this.#gateways = gateways
  }

  #targets() {
    return this.#gateways.filter(({ id, state }) => state === 'up' && id !== this.#session.owner).map(({ id }) => id)
  }

  async #load() {
    const id = this.#id
    try {
      const { value } = await this.#api.look(`/v1/sessions/${encodeURIComponent(id)}`)
      if (id === this.#id) this.#show(value, '')
    } catch (error) {
      if (id === this.#id) this.#show(error.status === 404 ? null : this.#session, error.message)
    }
  }

  #show(session, problem) {
    this.#session = session
    setText(element('session-problem'), problem)
    element('session-body').hidden = session === null
    element('transfer').disabled = session === null || !this.#actions.areAllowed || this.#targets().length === 0
    element('terminate').disabled = session === null || !this.#actions.areAllowed
    setText(element('session-title'), session === null ? 'Session' : (session.identity ?? 'not authenticated'))
    const text = JSON.stringify(session)
    if (session === null || text === this.#told) return
    this.#told = text
    element('session-facts').replaceChildren(...factsOf(session))
    element('session-children').replaceChildren(...session.children.map((child) => childCard(child, session.owner)))
    setText(element('session-owned'), `${count(session.takeovers, 'takeover')}, ${count(session.transfers, 'transfer')}`)
    showOwners(session)
    element('session-ikes').replaceChildren(...session.ike.map(ikeRow))
  }
}

function fact(name, ...values) {
  return make('div', {}, make('dt', {}, name), make('dd', {}, ...values))
}

function factsOf({ id, owner, epoch, connection, remote, local, virtualIps, totals }) {
  const facts = [
    fact('Owner', gatewayName(owner)),
    fact('Session', id),
    fact('Epoch', whole(epoch)),
    fact('Connection', connection),
    fact('Inner address', virtualIps.join(', ') || '–'),
    fact('Client', remote),
    fact('Cluster address', local),
  ]
  if (totals === undefined) return facts
  const carried = ({ octets: many, packets }) => `${octets(many)} · ${count(packets, 'packet')}`
  return [...facts, fact('From the client', carried(totals.inbound)), fact('To the client', carried(totals.outbound))]
}

function childCard(child, owner) {
  const { name, proposal, spiIn, spiOut, localTs, remoteTs, outbound, inbound } = child
  return make(
    'article',
    { class: 'child' },
    make('h3', {}, name, ' ', make('span', { class: 'quiet' }, `${proposal} · ${localTs.join(' ')} ⇄ ${remoteTs.join(' ')}`)),
    make(
      'div',
      { class: 'directions' },
      direction('To the client', spiOut, outbound, 'used', { next: outbound.next, ceiling: outbound.ceiling }, owner),
      direction(
        'From the client',
        spiIn,
        inbound,
        'refused',
        { floor: inbound.floor, highest: inbound.highest, horizon: inbound.horizon },
        owner,
      ),
    ),
  )
}

const meanings = {
  next: 'the next number to send',
  ceiling: 'the owner sends below it',
  floor: 'no owner accepts it, or less, any more',
  highest: 'the highest accepted',
  horizon: 'the owner accepts up to it',
}

/** One direction of a Child SA: counters, and its grant as a line from what was used to what is not allowed yet; not to scale. */
function direction(title, spi, { octets: many, packets }, before, grant, owner) {
  const counted =
    packets === null
      ? `counted at ${owner ?? 'its owner'}`
      : `${octets(many)} · ${count(packets, 'packet')} while it is at ${owner ?? 'its owner'}`
  const parts = Object.entries(grant).map(([name, value]) =>
    make('div', { class: name, title: meanings[name] }, make('dt', {}, name), make('dd', {}, whole(value))),
  )
  return make(
    'section',
    { class: 'direction' },
    make('h4', {}, title, ' ', make('span', { class: 'quiet mono' }, `SPI ${spi}`)),
    make('p', { class: 'quiet' }, counted),
    make('dl', { class: 'grant' }, make('div', { class: before, 'aria-hidden': 'true' }), ...parts),
  )
}

function showOwners({ owners }) {
  element('session-owners-section').hidden = owners === undefined || owners.length === 0
  if (owners === undefined || owners.length === 0) return
  // Of one of which nobody knows when it began no more is shown than that it was.
  const known = owners.map(({ since }, i) => since ?? owners.slice(i).find((later) => later.since !== null)?.since ?? null)
  const times = known.map((since) => (since === null ? Date.now() : Date.parse(since)))
  const toMs = Math.max(Date.now(), ...times)
  // The least is shown as it is; the rest by the root of its length, or a tenure of seconds would vanish beside one of days.
  const lengths = times.map((timeMs, i) => Math.sqrt(Math.max(1, (times[i + 1] ?? toMs) - timeMs)))
  const x = linear([0, lengths.reduce((sum, length) => sum + length, 0)], [0, 1000])
  let at = 0
  const bands = owners.map(({ gateway }, i) => {
    const [from, to] = [x(at), x((at += lengths[i]))]
    return draw('rect', { class: 'band', 'data-colour': colourOf(gateway), x: from, y: 0, width: Math.max(1, to - from - 2), height: 20 })
  })
  element('session-owners-line').replaceChildren(...bands)
  const rows = owners.map(({ gateway, epoch, since, how, interruptionMs }, i) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, gatewayName(gateway)),
      make('td', {}, how),
      make('td', {}, since === null ? '–' : dateAndClock(Date.parse(since))),
      make('td', { class: 'wide' }, since === null ? '–' : span((times[i + 1] ?? toMs) - times[i])),
      make('td', { class: 'number wide' }, whole(epoch)),
      make('td', { class: 'number' }, how === 'established' ? '' : duration(interruptionMs)),
    ),
  )
  element('session-owners').replaceChildren(...rows.toReversed())
}

function ikeRow({ initiatorSpi, responderSpi, proposal, nextRequestId, nextResponseId, establishedAt }) {
  return make(
    'tr',
    {},
    make('th', { scope: 'row', class: 'mono' }, initiatorSpi, make('span', { class: 'quiet sub mono' }, responderSpi)),
    make('td', {}, proposal, make('span', { class: 'quiet sub' }, `established ${dateAndClock(Date.parse(establishedAt))}`)),
    make('td', { class: 'number wide' }, `${nextRequestId} · ${nextResponseId}`),
  )
}
