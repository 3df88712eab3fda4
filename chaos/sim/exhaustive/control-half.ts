/** A gateway's control core over all lives of its process, with the state that it has applied. */

import { createSealer } from '../../../src/crypto/sealer.ts'
import { decodeControlMessage } from '../../../src/gateway/control-message.ts'
import { Control } from '../../../src/gateway/control.ts'
import type { Now } from '../../../src/gateway/clock.ts'
import type { ToPackets } from '../../../src/gateway/packet-messages.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { Sealer } from '../../../src/kit/sealer.ts'
import type { CheckpointRecord } from '../../../src/session/checkpoint.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import type { State } from '../../../src/session/state.ts'
import { ownership } from '../../../src/session/view.ts'
import { wallMs } from '../../../test/support/contexts.ts'
import { seededIkeCrypto } from '../crypto.ts'
import type { ApplyHook } from '../hook.ts'
import { withHook } from '../hook.ts'
import { canonical } from './canonical.ts'
import { CountingRandom } from './crypto.ts'
import type { Instance } from './machine.ts'
import type { Setup } from './setup.ts'
import { meaning, rawText, recordsOf, refill, stateOf } from './state-text.ts'
import type { ControlInput, Vocabulary } from './vocabulary.ts'

export interface ControlSummary {
  /** 0: the process has none. */
  readonly incarnation: number
  /** Whether it owns the session by what it has applied. */
  readonly isOwner: boolean
  /** How far the session is on its way out; null: it is not. */
  readonly leaving: string | null
  /** What its state says, as text. */
  readonly meaning: string
}

export interface ControlOptions {
  readonly self: string
  readonly gateways: readonly string[]
  /** Which of the gateways: numbers its processes apart from the others'. */
  readonly index: number
  readonly setup: Setup
  readonly vocabulary: Vocabulary
  readonly hook: ApplyHook | null
  /** The records of the agreed state of this number. */
  readonly snapshot: (agreed: number) => readonly CheckpointRecord[]
}

/** Longer than anything waits for an outcome (Transfers), and than a session is left open without traffic. */
const LATE_MS = 2500
const QUIET_MS = 2000
/** Ages are told in these steps: control cores only wait for seconds. */
const AGE_MS = 500
const LIVES = 64

export class ControlHalf implements Instance<ControlInput, ControlSummary> {
  readonly #o: ControlOptions
  #life = 0
  #random: CountingRandom
  #state: State
  #control: Control
  #effects: number[] = []
  #monotonicMs = 10_000
  /** Proposals that the process waits for: the octets, and the serials that it gave them. */
  readonly #waiting = new Map<string, number[]>()

  constructor(options: ControlOptions) {
    this.#o = options
    this.#random = new CountingRandom(options.index * LIVES)
    this.#state = stateOf(options.setup.records)
    this.#control = this.#create()
  }

  react(input: ControlInput): readonly number[] {
    this.#effects = []
    this.#take(input)
    return this.#effects
  }

  fingerprint(): string {
    const inspected = this.#control.inspect((atMs) => Math.floor((this.#monotonicMs - atMs) / AGE_MS))
    return `${this.#life} ${this.#random.count} ${rawText(this.#state, this.#o.setup.session)} ${canonical(inspected)}`
  }

  summary(): ControlSummary {
    const { incarnation, leaving } = this.#control
    const { session } = this.#o.setup
    // Looking may derive. Where that makes a difference, what is looked at is another state.
    const state = this.#state.incarnations.endedCount === 0 ? this.#state : stateOf(recordsOf(this.#state))
    const isOwner = incarnation !== 0 && ownership(state, session)?.owner === incarnation
    return { incarnation, isOwner, leaving: leaving[0]?.stage ?? null, meaning: meaning(state, session) }
  }

  #take(input: ControlInput): void {
    const { session } = this.#o.setup
    switch (input.type) {
      case 'committed':
        return this.#committed(input.octets, input.isOwn)
      case 'packets':
        return this.#control.packets(input.message, this.#now())
      case 'transfer':
        return this.#control.requestTransfer(session, this.#o.self, input.to, this.#now())
      case 'late':
        this.#monotonicMs += LATE_MS
        return this.#control.tick(this.#now())
      case 'crash':
        this.#waiting.clear()
        this.#life += 1
        this.#random = new CountingRandom(this.#o.index * LIVES + this.#life)
        this.#state = stateOf(recordsOf(this.#state))
        this.#control = this.#create()
        return
      case 'start':
        return this.#control.start(this.#now())
      case 'snapshot':
        refill(this.#state, this.#o.snapshot(input.agreed))
        this.#waiting.clear()
        this.#control.restored(1)
        return this.#control.start(this.#now())
    }
  }

  #committed(octets: Bytes, isOwn: boolean): void {
    const key = canonical(octets)
    const serial = isOwn ? (this.#waiting.get(key)?.shift() ?? null) : null
    const now = this.#now()
    withHook(this.#o.hook, this.#state, octets, () => this.#control.committed(1, octets, serial, now))
    this.#control.caughtUp(now)
  }

  #now(): Now {
    return { monotonicMs: this.#monotonicMs, wallMs: wallMs + 10_000 }
  }

  #create(): Control {
    const control = new Control({
      self: this.#o.self,
      gateways: this.#o.gateways,
      state: this.#state,
      capacity: 1,
      addresses: [],
      timing: { heartbeatMs: 50, gatewayDownMs: 300, servingLeaseMs: 2000 },
      crypto: seededIkeCrypto(this.#random),
      random: this.#random,
      sealer: sealerWith(this.#random),
      steeringKeys: () => [new Uint8Array(32).fill(1)],
      quietMs: QUIET_MS,
      effects: {
        append: (serial, octets) => this.#append(serial, octets),
        toPackets: (message) => this.#toPackets(message),
        hold: () => undefined,
        event: () => undefined,
        audit: () => undefined,
        diverged: () => undefined,
        outdated: () => undefined,
      },
    })
    control.restored(1)
    return control
  }

  /**
   * The log takes it into the bag. What is not repeated is given up at once, as after an append without an outcome: it may be committed all the
   * same, and its proposer doesn't wait for it.
   */
  #append(serial: number, octets: Bytes): void {
    const { vocabulary } = this.#o
    const { type } = decodeCommand(octets)
    const waits = type !== 'advance'
    if (waits) {
      const key = canonical(octets)
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), serial])
    }
    this.#effects.push(vocabulary.effects.id({ type: 'propose', command: vocabulary.commands.id(octets), waits }))
    if (!waits) this.#control.appendFailed(serial, 'unknown', this.#now())
  }

  #toPackets(message: ToPackets): void {
    // The lease never ends here, and heartbeats are lost: nothing in S1-S5 may lean on either.
    if (message.type === 'lease' || (message.type === 'send-mesh' && isHeartbeat(message.payload))) return
    const { effects, packets } = this.#o.vocabulary
    this.#effects.push(effects.id({ type: 'to-packets', input: packets.id({ type: 'control', message }) }))
  }
}

function isHeartbeat(payload: Bytes): boolean {
  const { type } = decodeControlMessage(payload)
  return type === 'ping' || type === 'pong' || type === 'state-hash'
}

const opened = new Map<string, Bytes | null>()

/** That of the setup; what was opened once is not opened again. */
function sealerWith(random: CountingRandom): Sealer {
  const sealer = createSealer({ keys: [new Uint8Array(32).fill(42)], cluster: 'test', random })
  return {
    seal: (field, plaintext) => sealer.seal(field, plaintext),
    open: (field, blob) => {
      const key = `${field} ${canonical(blob)}`
      const known = opened.get(key)
      if (known !== undefined) return known
      const plaintext = sealer.open(field, blob)
      opened.set(key, plaintext)
      return plaintext
    },
  }
}
