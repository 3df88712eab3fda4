/**
 * A player of audio that comes by TCP: it begins when so much is buffered, plays at the audio's own pace, falls silent when nothing is left, and
 * goes on when so much is buffered again. Pure: computed from when octets arrived.
 */

export interface Chunk {
  readonly timeMs: number
  readonly octets: number
}

export interface PlayerOptions {
  readonly octetsPerMs: number
  readonly bufferMs: number
}

/** Ms that it was silent between its beginning and `untilMs`; all since `fromMs`, less the buffer, when it never began. `chunks`: ascending. */
export function stalledMs(chunks: readonly Chunk[], { octetsPerMs, bufferMs }: PlayerOptions, fromMs: number, untilMs: number): number {
  let bufferedMs = 0
  let atMs = fromMs
  let state: 'beginning' | 'playing' | 'stalled' = 'beginning'
  let stalled = 0
  for (const { timeMs, octets } of [
    ...chunks.filter((one) => one.timeMs >= fromMs && one.timeMs < untilMs),
    { timeMs: untilMs, octets: 0 },
  ]) {
    const elapsedMs = timeMs - atMs
    if (state === 'stalled') stalled += elapsedMs
    if (state === 'playing') {
      stalled += Math.max(0, elapsedMs - bufferedMs)
      if (elapsedMs > bufferedMs) state = 'stalled'
      bufferedMs = Math.max(0, bufferedMs - elapsedMs)
    }
    bufferedMs += octets / octetsPerMs
    // Rounding must not keep a full buffer from being full.
    if (state !== 'playing' && bufferedMs >= bufferMs - 1e-6) state = 'playing'
    atMs = timeMs
  }
  return state === 'beginning' ? Math.max(0, untilMs - fromMs - bufferMs) : stalled
}
