/**
 * The dashboard: asks this gateway for the cluster's state once a second and follows its events. Everything is put on the page as text,
 * never as markup: names and identities come from peers.
 */

const REFRESH_MS = 1000
const EVENTS_SHOWN = 100

const element = (id) => document.getElementById(id)
let token = new URLSearchParams(location.hash.slice(1)).get('token') ?? ''
/** The last event shown; from 0, so that a page that is opened shows what happened before. */
let lastEvent = 0

/** A new element with text or elements inside. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children.map((child) => (typeof child === 'object' ? child : String(child))))
  return made
}

async function request(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } })
  if (response.status === 401) throw new Unauthorized()
  if (!response.ok) throw new Error(`${path}: ${(await response.json()).code ?? response.status}`)
  return response
}

class Unauthorized extends Error {}

async function refresh() {
  try {
    const answers = ['/v1/cluster', '/v1/gateways'].map((path) => request(`${path}?consistency=local`).then((answer) => answer.json()))
    const [cluster, gateways] = await Promise.all(answers)
    showCluster(cluster)
    showGateways(gateways, cluster.leader)
    showFigures(cluster, gateways)
    element('login').hidden = true
    setState(cluster.leader === null ? 'no leader' : `leader ${cluster.leader}`, cluster.leader === null ? 'bad' : '')
  } catch (error) {
    element('login').hidden = !(error instanceof Unauthorized)
    setState(error instanceof Unauthorized ? 'a token is needed' : `no answer from this gateway (${error.message})`, 'bad')
  }
}

function setState(text, kind) {
  element('state').textContent = text
  element('state').className = kind
}

function showFigures(cluster, gateways) {
  const sum = (key) => gateways.reduce((total, gateway) => total + gateway[key], 0)
  const up = gateways.filter((gateway) => gateway.state === 'up').length
  const figures = [
    ['Sessions', sum('sessions').toLocaleString()],
    ['Packets a second', sum('packetsPerSecond').toLocaleString()],
    ['Gateways up', `${up} of ${gateways.length}`],
    ['Term', cluster.term],
    ['Commit index', cluster.commitIndex.toLocaleString()],
  ]
  element('figures').replaceChildren(...figures.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))))
}

function showGateways(gateways, leader) {
  const most = Math.max(1, ...gateways.map((gateway) => gateway.sessions))
  const kinds = { up: 'good', draining: 'warn', down: 'bad' }
  const rows = gateways.map((gateway) => [
    gateway.id === leader ? `${gateway.id} (leader)` : gateway.id,
    make('span', { class: kinds[gateway.state] ?? '' }, gateway.state),
    gateway.sessions,
    gateway.packetsPerSecond,
    make('meter', { min: 0, max: most, value: gateway.sessions, 'aria-label': `share of the sessions of ${gateway.id}` }),
  ])
  fillTable('gateways', ['Gateway', 'State', 'Sessions', 'Packets/s', 'Share'], rows)
}

function showCluster(cluster) {
  element('cluster').textContent = `${cluster.name} · ${cluster.gateway}`
  document.title = `evpc ${cluster.name}`
  const bad = new Set(['unreachable'])
  const rows = cluster.members.map((member) => [
    member.id,
    member.address,
    member.role,
    make('span', { class: bad.has(member.state) ? 'bad' : '' }, member.state),
    member.matchIndex ?? '–',
  ])
  fillTable('members', ['Member', 'Address', 'Role', 'State', 'Match index'], rows)
}

function fillTable(id, heads, rows) {
  const number = (value) => (typeof value === 'number' ? { class: 'number' } : {})
  const head = make('tr', {}, ...heads.map((text, i) => make('th', { scope: 'col', ...number(rows[0]?.[i]) }, text)))
  const cell = (value) => make('td', number(value), typeof value === 'number' ? value.toLocaleString() : value)
  const body = rows.map((row) => make('tr', {}, ...row.map(cell)))
  element(id).replaceChildren(make('thead', {}, head), make('tbody', {}, ...body))
}

/** Follows the events for ever: by fetch and not by EventSource, which cannot send a token. */
async function follow() {
  for (;;) {
    try {
      const response = await request('/v1/events', { headers: { 'Last-Event-ID': String(lastEvent) } })
      await readEvents(response.body.pipeThrough(new TextDecoderStream()).getReader())
    } catch {
      setState(element('state').textContent, 'warn')
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS))
  }
}

async function readEvents(reader) {
  let buffered = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (buffered + value).split('\n\n')
    buffered = blocks.pop()
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '))
      if (data !== undefined) showEvent(JSON.parse(data.slice('data: '.length)))
    }
  }
}

function showEvent(event) {
  lastEvent = event.index
  const particulars = ['what', 'session', 'gateway', 'from', 'to', 'epoch', 'interruptionMs'].filter((key) => event[key] !== undefined)
  const words = particulars.map((key) => (key === 'what' ? event[key] : `${key} ${event[key]}`)).join(', ')
  const when = new Date(event.time).toLocaleTimeString()
  const item = make('li', {}, make('time', { datetime: event.time }, when), ' ', make('strong', {}, event.type), ` ${words}`)
  element('events').prepend(item)
  while (element('events').children.length > EVENTS_SHOWN) element('events').lastChild.remove()
}

element('login').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  token = element('token').value.trim()
  history.replaceState(null, '', `#token=${encodeURIComponent(token)}`)
  void refresh()
})

void refresh()
setInterval(() => void refresh(), REFRESH_MS)
void follow()
