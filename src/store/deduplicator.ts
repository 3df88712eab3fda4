/**
 * Delivers each command once though it may stand in the log twice: a proposer whose append's outcome is unknown appends it again. The state is
 * a function of the log alone, so every member decides alike.
 *
 * Of each client it knows which serials were delivered: all up to a floor, and a set above it. The set spans a window; a client that goes
 * further ahead than that gives up what it left behind. Clients are bounded too: the one that was silent for longest, in log order, is
 * forgotten for a new one; it must not come back, and does not: a client is one life of a gateway's process, and there are few of them.
 */

import { assert } from '../kit/assert.ts'
import type { Reader, Writer } from '../kit/wire.ts'
import type { CommandId } from './replicated-log.ts'

/** `expired`: so far behind its client's window that nobody knows; it is not delivered now. */
export type Verdict = 'fresh' | 'duplicate' | 'expired'

interface Client {
  /** Serials up to here were delivered or given up. */
  floor: number
  /** The highest serial that was given up, or 0. */
  givenUp: number
  /** Delivered serials above the floor. */
  readonly delivered: Set<number>
}

/** How far a client may be ahead of its oldest unfinished append. */
export const windowSerials = 4096
/** How many clients are remembered. */
export const maxClients = 1024

export class Deduplicator {
  /** In the order of their last command. */
  readonly #clients = new Map<bigint, Client>()
  readonly #windowSerials: number
  readonly #maxClients: number

  constructor(bounds: { readonly windowSerials?: number; readonly maxClients?: number } = {}) {
    this.#windowSerials = bounds.windowSerials ?? windowSerials
    this.#maxClients = bounds.maxClients ?? maxClients
  }

  get clientCount(): number {
    return this.#clients.size
  }

  /** Delivered serials stand as runs: they have few holes. */
  encode(writer: Writer): void {
    writer.varint(this.#clients.size)
    for (const [id, { floor, givenUp, delivered }] of this.#clients) {
      writer.u64(id).varint(floor).varint(givenUp)
      const runs = runsOf(delivered)
      writer.varint(runs.length)
      for (const [first, last] of runs) writer.varint(first - floor).varint(last - first)
    }
  }

  /** Takes the place of all that it knew. Throws `DecodeError`. */
  decode(reader: Reader): void {
    this.#clients.clear()
    for (let left = reader.count('clients', this.#maxClients); left > 0; left--) {
      const id = reader.u64('client')
      const floor = reader.varint('floor')
      const client: Client = { floor, givenUp: reader.varint('given up'), delivered: new Set() }
      for (let runs = reader.count('runs', this.#windowSerials); runs > 0; runs--) this.#decodeRun(reader, client)
      this.#clients.set(id, client)
    }
  }

  #decodeRun(reader: Reader, { floor, delivered }: Client): void {
    const first = floor + reader.varint('first')
    const length = reader.count('run', this.#windowSerials)
    for (let serial = first; serial <= first + length; serial++) delivered.add(serial)
  }

  /** Takes note of the next command of the log, and tells whether to deliver it. */
  accept(id: CommandId): Verdict {
    assert(Number.isSafeInteger(id.serial), `serial ${id.serial}`)
    assert(id.serial >= 1, `serial ${id.serial}`)
    const client = this.#touch(id.client)
    if (id.serial <= client.givenUp) return 'expired'
    if (id.serial <= client.floor || client.delivered.has(id.serial)) return 'duplicate'
    client.delivered.add(id.serial)
    this.#slide(client, id.serial - this.#windowSerials)
    return 'fresh'
  }

  #touch(id: bigint): Client {
    const client = this.#clients.get(id) ?? { floor: 0, givenUp: 0, delivered: new Set() }
    this.#clients.delete(id)
    this.#clients.set(id, client)
    if (this.#clients.size > this.#maxClients) this.#clients.delete(this.#clients.keys().next().value!)
    return client
  }

  /** Raises the floor to `minimum`, and over whatever was delivered above it. */
  #slide(client: Client, minimum: number): void {
    if (client.floor < minimum) {
      client.givenUp = minimum
      client.floor = minimum
      for (const serial of client.delivered) if (serial <= minimum) client.delivered.delete(serial)
    }
    while (client.delivered.delete(client.floor + 1)) client.floor++
  }
}

function runsOf(serials: ReadonlySet<number>): readonly (readonly [number, number])[] {
  const runs: [number, number][] = []
  for (const serial of [...serials].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] + 1 === serial) last[1] = serial
    else runs.push([serial, serial])
  }
  return runs
}
