/** The list of sessions, a page at a time: the API's filters, its cursors, never all of them. */

import { gatewayName } from './colours.js'
import { atMostEvery, element, keepChildren, make, setText } from './dom.js'
import { whole } from './formats.js'

const PAGE = 50
/** Changes show in the list so often; a search by identity, which costs a look at every session, is not repeated. */
const REFRESH_MS = 3000

export class SessionsView {
  #api
  #query = null
  /** Cursors of the pages before this one; null: of the first one. */
  #before = []
  #next = null
  #asked = 0
  #changed = atMostEvery(REFRESH_MS, () => {
    if (this.#query !== null && this.#query.identity === '' && !document.hidden) void this.#load()
  })

  constructor(api) {
    this.#api = api
    element('filters').addEventListener('submit', (submitted) => {
      submitted.preventDefault()
      location.hash = addressOf({ identity: element('identity').value.trim(), owner: element('owner').value, cursor: '' })
    })
    element('owner').addEventListener('change', () => element('filters').requestSubmit())
    element('next-page').addEventListener('click', () => {
      this.#before.push(this.#query.cursor)
      location.hash = addressOf({ ...this.#query, cursor: this.#next })
    })
    element('previous-page').addEventListener('click', () => {
      location.hash = addressOf({ ...this.#query, cursor: this.#before.pop() ?? '' })
    })
  }

  /** Shows what the address asks for; null: it is not shown. */
  open(parameters) {
    if (parameters === null) {
      this.#query = null
      return
    }
    const of = (name) => parameters.get(name) ?? ''
    this.#query = { identity: of('identity'), owner: of('owner'), cursor: of('cursor') }
    if (this.#query.cursor === '') this.#before = []
    element('identity').value = this.#query.identity
    void this.#load()
  }

  /** Something moved, came or went. */
  changed() {
    if (this.#query !== null) this.#changed()
  }

  /** The choice of owners. */
  showGateways(gateways) {
    const { owner = '' } = this.#query ?? {}
    const ids = gateways.map(({ id }) => id)
    const all = ['', ...(owner === '' || ids.includes(owner) ? ids : [...ids, owner])]
    keepChildren(
      element('owner'),
      all,
      (id) => `owner ${id}`,
      (id) => ({ node: make('option', { value: id }, id === '' ? 'any' : id), update: () => undefined }),
    )
    if (this.#query !== null && document.activeElement !== element('owner')) element('owner').value = owner
  }

  async #load() {
    const query = this.#query
    const mine = ++this.#asked
    if (query.identity !== '') setText(element('sessions-summary'), 'looking …')
    try {
      const { value } = await this.#api.look('/v1/sessions', { ...query, limit: PAGE })
      if (mine === this.#asked) this.#show(query, value)
    } catch (error) {
      if (mine === this.#asked) setText(element('sessions-summary'), error.message)
    }
  }

  #show({ cursor, identity }, { sessions, next }) {
    this.#next = next
    keepChildren(element('sessions-rows'), sessions, ({ id }) => id, sessionRow)
    element('next-page').disabled = next === null
    element('previous-page').disabled = cursor === ''
    const where = sessions.length === 0 ? '' : `sessions ${whole(Number(sessions[0].id))} to ${whole(Number(sessions.at(-1).id))}`
    const none = identity === '' ? 'no session' : `no session of “${identity}” (the whole identity is compared)`
    setText(
      element('sessions-summary'),
      sessions.length === 0 ? none : `${where}, ${sessions.length} shown${next === null ? '' : ', more to come'}`,
    )
  }
}

/** The address of a list on this page. */
export function addressOf(query) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined)
  return given.length === 0 ? '#/sessions' : `#/sessions?${new URLSearchParams(given)}`
}

function sessionRow(first) {
  const link = make('a', { href: `#/sessions/${encodeURIComponent(first.id)}` }, first.identity ?? 'not authenticated')
  const sub = make('span', { class: 'quiet sub narrow' })
  const id = make('td', { class: 'wide quiet' }, first.id)
  const owner = make('td')
  const connection = make('td', { class: 'wide' })
  const address = make('td', { class: 'wide' })
  const remote = make('td', { class: 'wide' })
  const moved = make('td', { class: 'number' })
  const node = make('tr', {}, id, make('th', { scope: 'row' }, link, sub), owner, connection, address, remote, moved)
  let shown = ''
  const update = (session) => {
    const text = JSON.stringify([session.owner, session.identity])
    if (text !== shown) {
      owner.replaceChildren(gatewayName(session.owner))
      setText(link, session.identity ?? 'not authenticated')
    }
    shown = text
    setText(connection, session.connection)
    setText(sub, `${session.id} · ${session.connection}`)
    setText(address, session.virtualIps.join(', '))
    setText(remote, session.remote)
    setText(moved, `${session.takeovers} · ${session.transfers}`)
  }
  return { node, update }
}
