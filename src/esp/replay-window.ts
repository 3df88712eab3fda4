/**
 * The anti-replay window (RFC 4303 §3.4.3) as a ring of blocks (RFC 6479): sliding clears blocks, it never shifts bits.
 *
 * Below it lies the floor: whatever the window says, nothing at or below the floor is accepted, because an earlier owner of the session
 * may have accepted it (protocol.md H6).
 */

import { assert } from '../kit/assert.ts'
import type { WindowState } from '../context/grants.ts'

const BLOCK_BITS = 32
/** One block more than the window has: the newest is only partly filled. */
const BLOCKS = 33
/** How far below the highest number one is still accepted. */
export const REPLAY_WINDOW_PACKETS = (BLOCKS - 1) * BLOCK_BITS

export class ReplayWindow {
  readonly #blocks = new Uint32Array(BLOCKS)
  #highest: number
  readonly #floor: number

  /** `state`: what the window is at the start of a tenure. */
  constructor(floor: number, state: WindowState) {
    this.#floor = floor
    this.#highest = state.highest
    const { seen } = state
    if (seen === null) return
    for (let i = 0; i < Math.min(8 * seen.length, REPLAY_WINDOW_PACKETS); i++) {
      if (state.highest - i > 0 && seen[i >> 3]! & (1 << (i & 7))) this.#mark(state.highest - i)
    }
  }

  get highest(): number {
    return this.#highest
  }

  get floor(): number {
    return this.#floor
  }

  /** Whether the number is above the floor, inside the window and unseen. Numbers above the highest are. */
  mayAccept(sequence: number): boolean {
    if (sequence <= this.#floor) return false
    if (sequence > this.#highest) return true
    if (sequence + REPLAY_WINDOW_PACKETS <= this.#highest) return false
    return (this.#blocks[blockOf(sequence) % BLOCKS]! & (1 << (sequence & 31))) === 0
  }

  /** Marks a number that `mayAccept`; slides the window up when it is the highest so far. */
  accept(sequence: number): void {
    assert(this.mayAccept(sequence), `sequence number ${sequence} is acceptable (highest ${this.#highest}, floor ${this.#floor})`)
    if (sequence > this.#highest) this.#slide(sequence)
    this.#mark(sequence)
  }

  /** For a transfer: every bit of the window down to the floor. */
  state(): WindowState {
    const reach = Math.min(REPLAY_WINDOW_PACKETS, this.#highest - this.#floor)
    if (reach <= 0) return { highest: this.#highest, seen: null }
    const seen = new Uint8Array(Math.ceil(reach / 8))
    for (let i = 0; i < reach; i++) if (!this.mayAccept(this.#highest - i)) seen[i >> 3]! |= 1 << (i & 7)
    return { highest: this.#highest, seen }
  }

  #slide(sequence: number): void {
    const from = blockOf(this.#highest)
    const to = blockOf(sequence)
    for (let block = Math.max(from + 1, to - BLOCKS + 1); block <= to; block++) this.#blocks[block % BLOCKS] = 0
    this.#highest = sequence
  }

  #mark(sequence: number): void {
    this.#blocks[blockOf(sequence) % BLOCKS]! |= 1 << (sequence & 31)
  }
}

/** No shift: extended numbers have more than 32 bits. */
function blockOf(sequence: number): number {
  return Math.floor(sequence / BLOCK_BITS)
}
