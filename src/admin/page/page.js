/**
 * The dashboard. It asks this gateway for the cluster's state while somebody looks, follows its events, and shows what the address says: `#/`,
 * `#/sessions?owner=&identity=&cursor=`, `#/sessions/ID`. `#token=…` is taken out of the address at once.
 */

import { Actions } from './actions.js'
import { Api } from './api.js'
import { OwnersChart } from './chart.js'
import { atMostEvery, element, setAttribute, setText } from './dom.js'
import { EventPlace, followEvents, pastEvents } from './event-stream.js'
import { GatewaysView } from './gateways.js'
import { History } from './history.js'
import { Moves } from './moves.js'
import { mountDemo } from './demo.js'
import { showRaft } from './raft.js'
import { SessionView } from './session.js'
import { SessionsView, addressOf } from './sessions.js'
import { Timeline } from './timeline.js'
import { colourOf } from './colours.js'

const REFRESH_MS = 1000
/** What happened shows so soon. */
const SOON_MS = 200

const api = new Api()
const history = new History()
const moves = new Moves()
const timeline = new Timeline(moves)
const refreshSoon = atMostEvery(SOON_MS, () => void refresh())
const actions = new Actions(api, refreshSoon)
const gatewaysView = new GatewaysView(actions, history)
const sessionsView = new SessionsView(api)
const sessionView = new SessionView(api, actions)
const chart = new OwnersChart()
const views = ['overview', 'sessions', 'session']

let isAsking = false
let isFollowing = false
let isConnected = false
let stopFollowing = new AbortController()
/** The problem of the last look; empty: there was none. */
let trouble = ''

async function refresh() {
  if (isAsking || document.hidden || !api.hasToken) return
  isAsking = true
  try {
    const [{ value: cluster }, { value: gateways, index }] = await Promise.all([api.look('/v1/cluster'), api.look('/v1/gateways')])
    trouble = ''
    show(cluster, gateways)
    if (!isFollowing) void follow(index)
  } catch (error) {
    if (error.status === 401) askForToken('That token is not known here.')
    trouble = error.status === undefined ? 'no answer from this gateway' : error.message
  }
  isAsking = false
  if (api.hasToken) showState()
}

function show(cluster, gateways) {
  const nowMs = Date.now()
  for (const { id } of gateways) colourOf(id)
  history.add(nowMs, gateways)
  element('main').hidden = false
  setText(element('cluster'), cluster.name)
  setText(element('here'), cluster.gateway)
  element('access').hidden = actions.areAllowed
  gatewaysView.show(cluster, gateways)
  showRaft(cluster)
  sessionsView.showGateways(gateways)
  sessionView.showGateways(gateways)
  if (!element('overview').hidden) chart.show(history, gateways, moves.entries, nowMs)
}

function showState() {
  const [text, kind] = trouble !== '' ? [trouble, 'bad'] : isConnected ? ['live', 'good'] : ['connecting', 'warn']
  setText(element('state'), text)
  setAttribute(element('state'), 'class', `live ${kind}`)
  // What is shown is not how it is.
  setAttribute(element('main'), 'class', trouble === '' ? null : 'stale')
}

/** What the gateway remembers (its last 10,000 events at the most), and then what comes. `index`: which the counts in the history reflect. */
async function follow(index) {
  isFollowing = true
  const { signal } = (stopFollowing = new AbortController())
  const place = new EventPlace(0)
  try {
    const past = (await pastEvents(api, place.after)).filter((event) => event.index <= index && place.isNew(event))
    history.seed(past)
    for (const event of past) take(event)
  } catch {
    // They come once more with the stream.
  }
  timeline.show()
  const shown = atMostEvery(SOON_MS, () => timeline.show())
  const on = {
    event: (event) => {
      take(event)
      shown()
      refreshSoon()
      sessionsView.changed()
    },
    connected: (now) => {
      isConnected = now
      if (now) refreshSoon()
      showState()
    },
  }
  await followEvents(api, place, on, signal)
}

function take(event) {
  if (event.type === 'session') timeline.addSession(event)
  else moves.add(event, (gateway, timeMs) => history.sessionsBefore(gateway, timeMs))
}

function askForToken(problem) {
  api.token = ''
  stopFollowing.abort()
  isFollowing = false
  element('main').hidden = true
  element('login').hidden = false
  element('sign-out').hidden = true
  setText(element('login-problem'), problem)
  setText(element('state'), 'signed out')
  setAttribute(element('state'), 'class', 'live')
  element('token').focus()
}

function signIn(token) {
  api.token = token
  element('login').hidden = true
  element('sign-out').hidden = false
  setText(element('login-problem'), '')
  void refresh()
}

/** What the address says. */
function route(isFirst = false) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (token !== null && !location.hash.startsWith('#/')) {
    window.history.replaceState(null, '', '#/')
    signIn(token)
  }
  const [path, query = ''] = location.hash.slice(1).split('?', 2)
  const id = /^\/sessions\/([^/]+)$/.exec(path)?.[1] ?? null
  const view = id !== null ? 'session' : path === '/sessions' ? 'sessions' : 'overview'
  for (const name of views) element(name).hidden = name !== view
  for (const link of document.querySelectorAll('nav a')) {
    const isHere = link.dataset.view === (view === 'session' ? 'sessions' : view)
    setAttribute(link, 'aria-current', isHere ? 'page' : null)
  }
  sessionsView.open(view === 'sessions' && api.hasToken ? new URLSearchParams(query) : null)
  sessionView.open(api.hasToken ? id && decodeURIComponent(id) : null)
  document.title = { overview: 'evpc', sessions: 'Sessions · evpc', session: `Session ${id} · evpc` }[view]
  if (isFirst) return
  element('main').focus()
  scrollTo(0, 0)
  refreshSoon()
}

element('login').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  signIn(element('token').value.trim())
  element('token').value = ''
  route()
})
element('sign-out').addEventListener('click', () => askForToken(''))
element('find').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  const wanted = element('wanted').value.trim()
  element('wanted').value = ''
  location.hash = /^[0-9]{1,16}$/.test(wanted) ? `#/sessions/${wanted}` : addressOf({ identity: wanted })
})
element('skip').addEventListener('click', (clicked) => {
  clicked.preventDefault()
  element('main').focus()
})
element('owners-table').addEventListener('toggle', refreshSoon)
addEventListener('hashchange', () => route())
document.addEventListener('visibilitychange', refreshSoon)

route(true)
if (api.hasToken) void refresh()
else askForToken('')
setInterval(() => void refresh(), REFRESH_MS)
void mountDemo(element('demo'))
