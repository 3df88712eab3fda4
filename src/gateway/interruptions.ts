/**
 * For how long sessions stand still that come to this gateway from another one: measured here, told in the log by few commands, so that every gateway
 * tells the same (session/owners.ts, events.ts). For people: nothing is decided by it, and nothing is done for it while a takeover's packets are first.
 *
 * A session stands still
 *   of a takeover   from when its former owner was last heard here, over the mesh,
 *   of a transfer   from when its former owner stopped to carry it, which that one tells (`stood-still`),
 * until the first packet of it is carried here, either way, or, of one that has none in time, until one could have been: when the end of the former owner's
 * incarnation, or the Transfer, was applied here. One whose new owner ends before it has told has no figure, nor has one where the beginning is not known.
 */

import type { TakeoverNote } from '../session/owners.ts'
import { takenOver } from '../session/owners.ts'
import type { Incarnation } from '../session/incarnations.ts'
import type { InterruptionFigure, InterruptionSummary } from '../session/interruptions-command.ts'
import { MAX_FIGURES, MAX_INTERRUPTION_MS, summaryOf } from '../session/interruptions-command.ts'
import type { State } from '../session/state.ts'
import { ownership } from '../session/view.ts'
import type { ControlMessage, StoodStill } from './control-message.ts'
import { MAX_STOOD_STILL } from './control-message.ts'
import type { Proposals } from './proposals.ts'
import type { Carried } from './session-counts.ts'

export interface InterruptionsOptions {
  readonly state: State
  readonly proposals: Proposals
  /** What commands are stamped with. */
  readonly wallMs: () => number
  readonly send: (gateway: string, message: ControlMessage) => void
  /** A takeover has given these sessions to this gateway, and in time no packet of theirs was carried. */
  readonly quiet: (sessions: readonly number[], from: string) => void
}

/** So long a packet is waited for. */
const TAKEOVER_WAIT_MS = 5000
const TRANSFER_WAIT_MS = 2000
/** The packet core tells of the first packet a second after the session was installed. */
const TOLD_MS = 1500
/** When it may be that all sessions of a takeover have had a packet. */
const FIRST_LOOK_MS = 2500
/** Rows looked at in a tick of 10 ms. */
const ROWS = 1024
/** Between two commands. */
const TELL_MS = 100
const MAX_TAKEOVERS = 16
/** Sessions that have just come by transfers: more have no figures. */
const MAX_ARRIVALS = 16_384
/** What former owners told of sessions of which the Transfer is not applied here yet is kept for so long, of so many. */
const EARLY_MS = 5000
const MAX_EARLY = 4096

interface Takeover {
  readonly from: TakeoverNote
  /** Since when its sessions stood still, and when they could go on; `beganMs` null: not known. */
  readonly beganMs: number | null
  readonly readyMs: number
  /** -1: nobody looks at its sessions now. */
  row: number
  isLastLook: boolean
  figures: InterruptionFigure[]
  quiet: number[]
}

interface Arrival {
  readonly session: number
  readonly epoch: number
  readonly from: string
  readonly readyMs: number
  /** Null: the former owner has not said for how long it stood still there. */
  stoodStillMs: number | null
  /** 0: no packet yet. */
  firstMs: number
}

interface Told {
  readonly from: string
  readonly way: 'takeover' | 'transfer'
  readonly summary: InterruptionSummary | null
  readonly figures: readonly InterruptionFigure[]
}

export class Interruptions {
  readonly #o: InterruptionsOptions
  #incarnation = 0
  #takeovers: Takeover[] = []
  /** When sessions had their first packet here: of what was told since a takeover is being looked at. */
  readonly #firstMs = new Map<number, number>()
  readonly #arrivals = new Map<number, Arrival>()
  readonly #early = new Map<number, StoodStill & { readonly untilMs: number }>()
  /** To be told to new owners, by their gateways. */
  readonly #stopped = new Map<string, StoodStill[]>()
  #waiting: Told[] = []
  #toldMs = -Infinity

  constructor(options: InterruptionsOptions) {
    this.#o = options
  }

  /** A new incarnation of ours, or 0: the last one ended, and what it had measured is of no use any more. */
  begin(incarnation: number): void {
    this.#incarnation = incarnation
    this.#takeovers = []
    this.#waiting = []
    for (const known of [this.#firstMs, this.#arrivals, this.#early, this.#stopped]) known.clear()
  }

  /** An incarnation's end was applied. `heardMs`: when its gateway was last heard here; null: never, or it is another life that was. */
  ended(ended: Incarnation, heardMs: number | null, nowMs: number): void {
    const isOurs = this.#incarnation !== 0 && ended.successorTicks.has(this.#incarnation)
    if (!isOurs || ended.endedAtMs === 0 || this.#takeovers.length === MAX_TAKEOVERS) return
    const from = { gateway: ended.gateway, atMs: ended.endedAtMs }
    this.#takeovers.push({ from, beganMs: heardMs, readyMs: nowMs, row: -1, isLastLook: false, figures: [], quiet: [] })
  }

  /** Sessions have come here from a gateway that lives. */
  arrived(from: string, sessions: readonly number[], nowMs: number): void {
    if (this.#o.state.clusterVersion < 2) return
    for (const session of sessions) {
      if (this.#arrivals.size >= MAX_ARRIVALS) return
      const { epoch } = ownership(this.#o.state, session)!
      const early = this.#early.get(session)
      this.#early.delete(session)
      const stoodStillMs = early?.epoch === epoch ? early.ms : null
      this.#arrivals.delete(session)
      this.#arrivals.set(session, { session, epoch, from, readyMs: nowMs, stoodStillMs, firstMs: 0 })
    }
  }

  /** A session of ours is another gateway's now, and stood still here for so long before. */
  left(to: string, stood: StoodStill): void {
    if (this.#o.state.clusterVersion < 2) return
    this.#stopped.set(to, [...(this.#stopped.get(to) ?? []), { ...stood, ms: rounded(stood.ms) }])
  }

  /** A gateway says for how long sessions stood still there that it has handed over to us. */
  stoodStill(sessions: readonly StoodStill[], nowMs: number): void {
    for (const stood of sessions) {
      const arrival = this.#arrivals.get(stood.session)
      if (arrival?.epoch === stood.epoch) arrival.stoodStillMs ??= stood.ms
      else if (this.#early.size < MAX_EARLY) this.#early.set(stood.session, { ...stood, untilMs: nowMs + EARLY_MS })
    }
  }

  /** The packet core tells what a session carried. */
  carried({ session, firstMs }: Carried): void {
    if (firstMs === 0) return
    if (this.#takeovers.length > 0) this.#firstMs.set(session, firstMs)
    const arrival = this.#arrivals.get(session)
    if (arrival !== undefined && firstMs >= arrival.readyMs) arrival.firstMs = firstMs
  }

  tick(nowMs: number): void {
    this.#tellStopped()
    for (const [session, { untilMs }] of this.#early) if (untilMs <= nowMs) this.#early.delete(session)
    this.#lookAtTakeovers(nowMs)
    if (nowMs - this.#toldMs < TELL_MS) return
    this.#settleArrivals(nowMs)
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#toldMs = nowMs
    const command = { type: 'interruptions', incarnation: this.#incarnation, ...next, nowMs: this.#o.wallMs() } as const
    this.#o.proposals.propose(command, { repeat: true })
  }

  // ---- takeovers

  /** One at a time, the oldest first. */
  #lookAtTakeovers(nowMs: number): void {
    const takeover = this.#takeovers.find((one) => one.row !== -1 || nowMs >= nextLookMs(one))
    if (takeover === undefined) return
    if (takeover.row === -1) {
      takeover.isLastLook = takeover.beganMs === null || nowMs >= takeover.readyMs + TAKEOVER_WAIT_MS + TOLD_MS
      takeover.row = 0
      takeover.figures = []
      takeover.quiet = []
    }
    const { sessions } = this.#o.state
    for (const end = Math.min(sessions.end, takeover.row + ROWS); takeover.row < end; takeover.row++) this.#look(takeover)
    if (takeover.row >= sessions.end) this.#looked(takeover)
  }

  #look(takeover: Takeover): void {
    const { from, beganMs, readyMs, isLastLook, figures, quiet } = takeover
    const found = takenOver(this.#o.state, takeover.row, this.#incarnation, from)
    if (found === null) return
    const firstMs = this.#firstMs.get(found.session) ?? 0
    const isQuiet = firstMs < readyMs || firstMs > readyMs + TAKEOVER_WAIT_MS
    if (isQuiet && isLastLook) quiet.push(found.session)
    if (beganMs !== null) figures.push({ ...found, ms: rounded((isQuiet ? readyMs : firstMs) - beganMs), isQuiet })
  }

  #looked(takeover: Takeover): void {
    takeover.row = -1
    const { from, figures, quiet, isLastLook } = takeover
    if (!isLastLook && (figures.length === 0 || figures.some(({ isQuiet }) => isQuiet))) {
      takeover.isLastLook = true
      return
    }
    this.#takeovers = this.#takeovers.filter((other) => other !== takeover)
    if (this.#takeovers.length === 0) this.#firstMs.clear()
    if (quiet.length > 0) this.#o.quiet(quiet, from.gateway)
    if (figures.length === 0) return
    const summary = summaryOf(figures)
    for (let at = 0; at < figures.length; at += MAX_FIGURES)
      this.#waiting.push({
        from: from.gateway,
        way: 'takeover',
        summary: at === 0 ? summary : null,
        figures: figures.slice(at, at + MAX_FIGURES),
      })
  }

  // ---- transfers

  #tellStopped(): void {
    for (const [gateway, sessions] of this.#stopped) {
      for (let at = 0; at < sessions.length; at += MAX_STOOD_STILL)
        this.#o.send(gateway, { type: 'stood-still', sessions: sessions.slice(at, at + MAX_STOOD_STILL) })
    }
    this.#stopped.clear()
  }

  /** Of one gateway's those of which all is known, and that it is time for; the first that waits is that which waits longest. */
  #settleArrivals(nowMs: number): void {
    const settled: Arrival[] = []
    for (const arrival of this.#arrivals.values()) {
      const { session, from, readyMs, stoodStillMs, firstMs } = arrival
      const isOver = nowMs >= readyMs + TRANSFER_WAIT_MS + TOLD_MS
      if (!isOver && (firstMs === 0 || stoodStillMs === null)) continue
      if (settled.length > 0 && settled[0]!.from !== from) continue
      this.#arrivals.delete(session)
      if (stoodStillMs !== null) settled.push(arrival)
      if (settled.length === MAX_FIGURES) break
    }
    if (settled.length === 0) return
    const figures = settled.map(({ session, epoch, readyMs, stoodStillMs, firstMs }) => {
      const isQuiet = firstMs === 0 || firstMs > readyMs + TRANSFER_WAIT_MS
      return { session, epoch, ms: rounded(stoodStillMs! + (isQuiet ? 0 : firstMs - readyMs)), isQuiet }
    })
    this.#waiting.push({ from: settled[0]!.from, way: 'transfer', summary: null, figures })
  }
}

function nextLookMs({ readyMs, beganMs, isLastLook }: Takeover): number {
  return readyMs + (beganMs === null || isLastLook ? TAKEOVER_WAIT_MS + TOLD_MS : FIRST_LOOK_MS)
}

function rounded(ms: number): number {
  return Math.min(MAX_INTERRUPTION_MS, Math.max(0, Math.round(ms)))
}
