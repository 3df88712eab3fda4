/** What the bench says to the processes that make and receive traffic, and what they answer. */

import type { Arrivals, Sent } from './arrivals.ts'
import type { Chunk } from './player.ts'

/** Both sides of a call use this port, and the audio is had at that one. */
export const CALL_PORT = 5004
export const AUDIO_PORT = 8000
/** At 50 frames/s more than five minutes, which the slowest event takes. */
export const REMEMBERED_FRAMES = 1 << 14

export type ToTraffic =
  /** To the trusted host: its address, and the bit rate of each client's call. */
  | { readonly type: 'host'; readonly address: string; readonly kbits: readonly number[] }
  | { readonly type: 'client'; readonly client: number; readonly kbits: number; readonly host: string }
  | Question

export interface Question {
  readonly type: 'window'
  readonly id: number
  readonly fromMs: number
  readonly toMs: number
}

/** Of each client's call: what the host sent in the window, and what it received since its beginning that was sent in it. */
export interface HostWindow {
  readonly type: 'host-window'
  readonly id: number
  readonly sent: readonly Sent[]
  readonly up: readonly Arrivals[]
}

export interface ClientWindow {
  readonly type: 'client-window'
  readonly id: number
  readonly sent: Sent
  readonly down: Arrivals
  /** Of the audio, by the time of their arrival in the window. */
  readonly chunks: readonly Chunk[]
  /** How often the player has had to connect anew since it was started. */
  readonly reconnections: number
}

export type FromTraffic = { readonly type: 'ready' } | HostWindow | ClientWindow
