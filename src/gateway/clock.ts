/** The time of an input. Both come from the shell (or from the simulator). */
export interface Now {
  /** Never goes back; starts anywhere; goes on while the process is stopped. ms. */
  readonly monotonicMs: number
  /** Wall clock, ms since 1970. For deadlines only: a wrong one costs an early or late rekey, never safety. */
  readonly wallMs: number
}
