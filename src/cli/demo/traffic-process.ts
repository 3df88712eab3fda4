/**
 * What the demo's two traffic processes have in common: one flow out and one in for each session, a clock that sends what is due, and the
 * answers to the demo's questions. They outlive every gateway, and end with the demo.
 */

import { monotonicMs } from '../../dataplane/clock.ts'
import type { FlowSink } from './flow.ts'
import { FlowSource } from './flow.ts'
import type { FromTraffic, ToTraffic, TrafficTotals } from './traffic-messages.ts'

/** Sources are asked this often: a packet leaves at most so late. */
const SEND_MS = 2

export abstract class TrafficProcess {
  readonly sources = new Map<number, FlowSource>()
  readonly sinks: FlowSink[] = []
  #quiet = false

  constructor() {
    process.on('message', (message) => this.#handle(message as ToTraffic))
    // Ctrl-C reaches the whole process group: the demo asks its figures of us first, and ends us then.
    process.on('SIGINT', () => undefined)
    process.on('disconnect', () => {
      this.orphaned()
      process.exit(0)
    })
    setInterval(() => this.#sendDue(), SEND_MS)
  }

  /** Session `session` starts to send; again after it has begun, it goes on as it was. */
  begin(session: number): void {
    if (!this.sources.has(session)) this.sources.set(session, new FlowSource(monotonicMs()))
  }

  tell(message: FromTraffic): void {
    // A demo that is dying takes none any more: the disconnection tells.
    if (process.connected) process.send?.(message, () => undefined)
  }

  abstract send(session: number, counter: number, nowMs: number): void
  abstract handle(message: ToTraffic): void
  abstract totals(): Pick<TrafficTotals, 'established' | 'reAuthentications' | 'sequenceNumbersReused'>

  /** The demo is gone without having said so. */
  orphaned(): void {}

  #sendDue(): void {
    if (this.#quiet) return
    const nowMs = monotonicMs()
    for (const [session, source] of this.sources) {
      for (let counter = source.due(nowMs); counter !== null; counter = source.due(nowMs)) this.send(session, counter, nowMs)
    }
  }

  #handle(message: ToTraffic): void {
    switch (message.type) {
      case 'window':
        return this.tell(this.#window(message.id, message.fromMs, message.toMs))
      case 'totals':
        return this.tell({ type: 'totals', id: message.id, totals: this.#totals() })
      case 'quiet':
        this.#quiet = true
        return
      default:
        this.handle(message)
    }
  }

  #window(id: number, fromMs: number, toMs: number): FromTraffic {
    const none = { first: 0, count: 0 }
    const sent = this.sinks.map((_, session) => this.sources.get(session)?.sentBetween(fromMs, toMs) ?? none)
    return { type: 'window', id, sent, arrivals: this.sinks.map((sink) => sink.since(fromMs)) }
  }

  #totals(): TrafficTotals {
    const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)
    return {
      sent: sum([...this.sources.values()].map((source) => source.sent)),
      received: sum(this.sinks.map((sink) => sink.received)),
      duplicated: sum(this.sinks.map((sink) => sink.duplicated)),
      lastMs: this.sinks.map((sink) => sink.lastMs),
      ...this.totals(),
    }
  }
}
