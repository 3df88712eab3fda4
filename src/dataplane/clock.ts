/**
 * The clock of leases and packets: CLOCK_MONOTONIC in ms, the same on every thread of the machine. (`performance.now()` counts from
 * each thread's own start, so a deadline of the main thread would mean something else to the worker.) It goes on while a process is stopped.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
