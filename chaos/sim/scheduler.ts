/** Simulated time: things happen in the order of their times, and of their making where times are equal. Nothing waits. */

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class Scheduler {
  #nowMs = 0
  #order = 0
  /** How much happened. */
  events = 0
  /** A binary heap, the earliest first. */
  readonly #heap: Event[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#heap.push(event)
    this.#up(this.#heap.length - 1)
  }

  /** Runs `run` every `periodMs` until it returns false. */
  every(periodMs: number, run: () => boolean): void {
    const again = (): void => {
      if (run()) this.after(periodMs, again)
    }
    this.after(periodMs, again)
  }

  /** Runs everything that happens up to `untilMs`. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) break
      this.#pop()
      this.#nowMs = next.atMs
      this.events++
      next.run()
    }
    this.#nowMs = untilMs
  }

  #before(a: Event, b: Event): boolean {
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  }

  #up(at: number): void {
    const heap = this.#heap
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(heap[at]!, heap[parent]!)) return
      ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
      at = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ;) {
      const left = 2 * at + 1
      let least = at
      if (left < heap.length && this.#before(heap[left]!, heap[least]!)) least = left
      if (left + 1 < heap.length && this.#before(heap[left + 1]!, heap[least]!)) least = left + 1
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
}
