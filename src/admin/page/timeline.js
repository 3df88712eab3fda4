/** What happened, newest first: takeovers and transfers with what was measured, gateways, leaders, configurations; sessions on demand. */

import { gatewayName } from './colours.js'
import { element, keepChildren, make, setText } from './dom.js'
import { dateAndClock } from './formats.js'
import { interruptionWords, wordsOf } from './words.js'

const SHOWN = 60
const SESSION_EVENTS = 60

export class Timeline {
  #moves
  /** The last events of sessions, newest first, as entries. */
  #sessions = []
  #count = 0

  constructor(moves) {
    this.#moves = moves
    element('with-sessions').addEventListener('change', () => this.show())
  }

  addSession({ session, gateway, what, time }) {
    const timeMs = Date.parse(time)
    this.#sessions.unshift({
      id: `session ${++this.#count}`,
      type: 'session',
      timeMs,
      lastMs: timeMs,
      gateway,
      session,
      what,
      interruptions: [],
    })
    if (this.#sessions.length > SESSION_EVENTS) this.#sessions.pop()
  }

  show() {
    const sessions = element('with-sessions').checked ? this.#sessions : []
    const entries = [...this.#moves.entries, ...sessions].sort((a, b) => b.timeMs - a.timeMs).slice(0, SHOWN)
    keepChildren(element('timeline'), entries, ({ id }) => id, entryRow)
    element('timeline-empty').hidden = entries.length > 0
  }
}

function entryRow(entry) {
  const words = make('span', { class: 'what' })
  const measured = make('span', { class: 'measured' })
  const time = make('time', { datetime: new Date(entry.timeMs).toISOString() }, dateAndClock(entry.timeMs))
  const node = make('li', { 'data-type': entry.type }, time, make('span', { class: 'kind' }, entry.type), words, measured)
  let told = ''
  const update = (now) => {
    const parts = now.type === 'session' ? sessionWords(now) : wordsOf(now)
    const text = JSON.stringify(parts)
    if (text !== told) words.replaceChildren(...parts.map(partOf))
    told = text
    setText(measured, interruptionWords(now.interruptions))
  }
  return { node, update }
}

function sessionWords({ session, what, gateway }) {
  return [{ session }, ` ${what}`, ...(gateway === undefined ? [] : [' at ', { gateway }])]
}

function partOf(part) {
  if (typeof part === 'string') return part
  if (part.gateway !== undefined) return gatewayName(part.gateway)
  return make('a', { href: `#/sessions/${encodeURIComponent(part.session)}` }, part.session)
}
