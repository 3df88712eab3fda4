/**
 * The events of the log (HTML Living Standard §9.2), by fetch and not by EventSource, which can send no token. Several events may share an index, so
 * whoever must miss none goes on before the last one that was seen, and leaves out what is known.
 */

const FIRST_WAIT_MS = 250
const MAX_WAIT_MS = 5000
/** Of what each gateway sees for itself, which stands beside other commands there. */
const OBSERVED = 64
const observedOfMembers = new Set(['added', 'promoted', 'demoted', 'readdressed', 'removed'])

/** Takes text as it comes, and gives the events that are whole. */
export class EventParser {
  #text = ''

  take(chunk) {
    const blocks = (this.#text + chunk).split('\n\n')
    this.#text = blocks.pop()
    return blocks.flatMap((block) => {
      const lines = block.split('\n').filter((line) => line.startsWith('data: '))
      return lines.length === 0 ? [] : [JSON.parse(lines.map((line) => line.slice('data: '.length)).join('\n'))]
    })
  }
}

/** Where a follower of events is. */
export class EventPlace {
  #index
  #seen = new Set()
  #observed = []

  /** All with a higher index than `after` are news. */
  constructor(after) {
    this.#index = after + 1
  }

  /** What to ask for. */
  get after() {
    return this.#index - 1
  }

  /** Whether it was not seen before. Gateways tell the same event with their own times. */
  isNew({ index, time: _time, interruptionMs: _interruptionMs, ...event }) {
    const name = JSON.stringify(event)
    if (isObserved(event)) {
      if (this.#observed.includes(name)) return false
      this.#observed = [...this.#observed, name].slice(-OBSERVED)
    } else if (index < this.#index || (index === this.#index && this.#seen.has(name))) return false
    if (index > this.#index) {
      this.#index = index
      this.#seen = new Set()
    }
    if (index === this.#index) this.#seen.add(name)
    return true
  }
}

/** It is no command of the log. */
function isObserved({ type, what = '' }) {
  return type === 'leader' || (type === 'gateway' && observedOfMembers.has(what))
}

/** What is remembered after an index, as one list. */
export async function pastEvents(api, after) {
  const response = await api.send('GET', `/v1/events?follow=false&after=${after}`)
  return new EventParser().take(await response.text())
}

/** Follows the events until `signal` aborts. `on`: `event(event)`, `connected(isConnected)`. */
export async function followEvents(api, place, on, signal) {
  let waitMs = FIRST_WAIT_MS
  while (!signal.aborted) {
    try {
      const response = await api.send('GET', `/v1/events?after=${Math.max(0, place.after)}`, { signal })
      on.connected(true)
      waitMs = FIRST_WAIT_MS
      await read(response.body, place, on.event)
    } catch {
      // Whatever it was, it is tried again: a gateway that is gone may come back.
    }
    if (signal.aborted) return
    on.connected(false)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    waitMs = Math.min(MAX_WAIT_MS, 2 * waitMs)
  }
}

async function read(body, place, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const parser = new EventParser()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    for (const event of parser.take(value)) if (place.isNew(event)) onEvent(event)
  }
}
