/** Server-sent events as they come over HTTP (HTML Living Standard §9.2), and each event once where a stream goes on at another gateway. */

import type { AdminEvent } from '../admin/source.ts'

/** A line longer than that is of no event of ours. */
const MAX_BLOCK = 1_000_000

/** The events in a stream of text. Ends when the stream does. */
export async function* readEvents(stream: AsyncIterable<string>): AsyncGenerator<AdminEvent> {
  let text = ''
  for await (const chunk of stream) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = eventIn(text.slice(0, end))
      text = text.slice(end + 2)
      if (event !== null) yield event
    }
    if (text.length > MAX_BLOCK) throw new Error(`an event of more than ${MAX_BLOCK} characters`)
  }
}

/** Null: only a comment, or how long to wait before connecting again. */
function eventIn(block: string): AdminEvent | null {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length))
  return data.length === 0 ? null : (JSON.parse(data.join('\n')) as AdminEvent)
}

/** Of what each gateway sees for itself, which stands beside other commands there, so many are known again. */
const OBSERVED = 64

/**
 * Where a follower of events is. Several may share an index, so it goes on before the last one that it saw, and leaves out what it saw there.
 */
export class EventPlace {
  #index: number | null
  #seen = new Set<string>()
  readonly #observed: string[] = []

  /** Null: nothing was seen, and nothing that was before is wanted. */
  constructor(after: number | null) {
    this.#index = after === null ? null : after + 1
  }

  /** What to ask a gateway for; null: what comes. */
  get after(): number | null {
    return this.#index === null ? null : this.#index - 1
  }

  get hasSeen(): boolean {
    return this.#seen.size > 0
  }

  /** A stream of what comes has begun: if it breaks off, that is where to go on. */
  begun(index: number): void {
    this.#index ??= index + 1
  }

  /** Whether the event is to be shown: it was not before. */
  isNew(event: AdminEvent): boolean {
    const { index, time: _time, interruptionMs: _interruptionMs, ...what } = event
    const name = JSON.stringify(what)
    const wasShown = isObserved(event) ? this.#observed.includes(name) : this.#wasShown(index, name)
    if (wasShown) return false
    if (isObserved(event)) this.#observed.push(name)
    if (this.#observed.length > OBSERVED) this.#observed.shift()
    if (this.#index === null || index > this.#index) {
      this.#index = index
      this.#seen = new Set()
    }
    if (index === this.#index) this.#seen.add(name)
    return true
  }

  #wasShown(index: number, name: string): boolean {
    return this.#index !== null && (index < this.#index || (index === this.#index && this.#seen.has(name)))
  }
}

/** It is no command of the log: who leads and who is a member each gateway sees for itself. */
function isObserved({ type, what = '' }: AdminEvent): boolean {
  return type === 'leader' || (type === 'gateway' && ['added', 'promoted', 'demoted', 'readdressed', 'removed'].includes(what))
}
