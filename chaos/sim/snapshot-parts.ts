/**
 * A checkpoint on its way to another gateway, in parts: the first is the mark's position, the rest is the stream that the store sends
 * (src/store/checkpoint-stream.ts), cut anywhere.
 */

import type { InstallSnapshot, InstallSnapshotResponse } from '../../raft/message.ts'
import { concat, emptyBytes, fromHex, toHex } from '../../src/kit/bytes.ts'
import { openRecord, sealRecord, Tally } from '../../src/store/checkpoint-records.ts'
import { encodeStreamEnd, encodeStreamHead, encodeStreamRecord, StreamParser } from '../../src/store/checkpoint-stream.ts'
import type { Checkpoint, CheckpointMark } from './raft/disk.ts'

const PART_OCTETS = 2000
/** Parts in flight. */
const WINDOW = 4
const RESEND_MS = 200
const GIVE_UP_MS = 3000

/** Sends one to one follower; what is not answered is sent again. */
export class SnapshotSending {
  readonly checkpoint: Checkpoint
  readonly #parts: readonly Uint8Array[]
  #answered = 0
  #sent = 0
  #answeredMs: number
  #sentMs: number

  constructor(checkpoint: Checkpoint, nowMs: number) {
    this.checkpoint = checkpoint
    this.#parts = partsOf(checkpoint)
    this.#answeredMs = nowMs
    this.#sentMs = nowMs
  }

  /** The parts to send now for the first time. */
  next(term: number): InstallSnapshot[] {
    const parts: InstallSnapshot[] = []
    for (; this.#sent < Math.min(this.#parts.length, this.#answered + WINDOW); this.#sent++) parts.push(this.#part(term, this.#sent))
    return parts
  }

  answered({ lastIncludedIndex, nextPart }: InstallSnapshotResponse, nowMs: number): void {
    if (lastIncludedIndex !== this.checkpoint.index) return
    // The follower began anew.
    if (nextPart === 0) this.#answered = this.#sent = 0
    if (nextPart <= this.#answered || nextPart > this.#parts.length) return
    // More than was sent: the follower goes on from where an earlier sending of the same broke off.
    this.#sent = Math.max(this.#sent, nextPart)
    this.#answered = nextPart
    this.#answeredMs = nowMs
  }

  /** What was not answered for long, now and then; null: it is given up. */
  again(term: number, nowMs: number): InstallSnapshot[] | null {
    if (nowMs - this.#answeredMs > GIVE_UP_MS) return null
    if (nowMs - Math.max(this.#sentMs, this.#answeredMs) < RESEND_MS) return []
    this.#sentMs = nowMs
    this.#sent = this.#answered
    return this.next(term)
  }

  #part(term: number, part: number): InstallSnapshot {
    const { index: lastIncludedIndex, term: lastIncludedTerm } = this.checkpoint
    const isLast = part === this.#parts.length - 1
    const configuration = part === 0 ? this.checkpoint.configuration : null
    return { type: 'installSnapshot', term, lastIncludedIndex, lastIncludedTerm, part, isLast, configuration, data: this.#parts[part]! }
  }
}

/** Takes the parts of one snapshot at a time, in their order. */
export class SnapshotReceiving {
  #mark: CheckpointMark | null = null
  #parser: StreamParser | null = null
  #records = new Map<string, Uint8Array>()
  #nextPart = 0

  /** The whole, when this was the last part. */
  receive(message: InstallSnapshot): Checkpoint | null {
    const { part, lastIncludedIndex: index, lastIncludedTerm: term, configuration, data, isLast } = message
    if (part === 0 && this.#mark?.index !== index) this.#begin({ index, term, configuration, position: data.slice() })
    else if (part !== 0 && this.#mark?.index === index && part === this.#nextPart) this.#take(data)
    else return null
    if (!isLast) return null
    this.#parser!.finish()
    const checkpoint = { ...this.#mark!, records: this.#records }
    this.#mark = null
    return checkpoint
  }

  /** The part to go on with of the snapshot that ends with `index`. */
  nextPartOf(index: number): number {
    return this.#mark?.index === index ? this.#nextPart : 0
  }

  #begin(mark: CheckpointMark): void {
    this.#mark = mark
    this.#parser = new StreamParser({ ...mark, configuration: emptyBytes })
    this.#records = new Map()
    this.#nextPart = 1
  }

  #take(data: Uint8Array): void {
    for (const { key, stored } of this.#parser!.add(data.slice())) this.#records.set(toHex(key), openRecord(key, stored)!.value.slice())
    this.#nextPart++
  }
}

function partsOf(checkpoint: Checkpoint): readonly Uint8Array[] {
  const { position, records } = checkpoint
  const tally = new Tally()
  const stream = [encodeStreamHead({ ...checkpoint, configuration: emptyBytes })]
  for (const key of [...records.keys()].toSorted()) {
    const octets = fromHex(key)!
    const { stored, checksum } = sealRecord(octets, records.get(key)!)
    tally.add(checksum)
    stream.push(encodeStreamRecord(octets, stored))
  }
  stream.push(encodeStreamEnd(tally))
  const all = concat(...stream)
  const parts: Uint8Array[] = [position]
  for (let at = 0; at < all.length; at += PART_OCTETS) parts.push(all.subarray(at, at + PART_OCTETS))
  return parts
}
