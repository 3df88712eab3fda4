/** What has arrived of the call lately, by the packets' numbers, and what that says of gaps. Pure; times are monotonic ms of the ends. */

/** Each packet is drawn as so many columns. */
export const PEAKS = 4
const MEAN = 0.02
/** An owner is told within so many packets. */
const TOLD_PACKETS = 25
/** Nothing for so long, and the new owner has not sent anything yet. */
const SILENT_PACKETS = 3

export class PacketHistory {
  #packets = new Map()
  #kept
  #packetMs
  #depthMs
  /** The quickest way that a packet took lately, ms. */
  #baseMs = Infinity
  #owner = null
  first = null
  newest = null
  received = 0
  late = 0
  twice = 0
  /** The mean of what packets take from the host through the gateway to the client, ms. */
  delayMs = null

  /** `depthMs`: who comes later than this after the quickest is late. */
  constructor({ seconds, packetMs, depthMs }) {
    this.#kept = (1000 * seconds) / packetMs
    this.#packetMs = packetMs
    this.#depthMs = depthMs
  }

  /** Those that had to have arrived by now and have not, since the first. */
  get missing() {
    return this.first === null ? 0 : Math.max(0, this.newest - this.first + 1 - this.received)
  }

  add({ number, sentMs, arrivedMs, samples }) {
    // A demo that was started anew counts from 0.
    if (this.newest !== null && number < this.newest - this.#kept) this.#forget()
    if (this.#packets.has(number)) {
      this.twice += 1
      return
    }
    const delayMs = arrivedMs - sentMs
    this.#baseMs = Math.min(this.#baseMs + MEAN, delayMs)
    const isLate = delayMs > this.#baseMs + this.#depthMs
    if (isLate) this.late += 1
    this.received += 1
    this.first ??= number
    this.delayMs = this.delayMs === null ? delayMs : this.delayMs + MEAN * (delayMs - this.delayMs)
    this.#packets.set(number, { owner: this.#owner, delayMs: delayMs - this.#baseMs, isLate, peaks: peaksOf(samples) })
    this.#advance(number)
  }

  /**
   * Who carries the call when packet `now` is sent. It is told a little after it is so: where packets are missing just before, those after them came through
   * the new owner, for the old one was gone.
   */
  setOwner(owner, now) {
    if (owner === this.#owner) return
    this.#owner = owner
    const isSilent = this.newest === null || now > this.newest + SILENT_PACKETS
    const gaps = isSilent ? [] : this.gaps(this.newest - TOLD_PACKETS, this.newest)
    const longest = gaps.reduce((most, gap) => (gap.count > most.count ? gap : most), { number: Infinity, count: 0 })
    for (let number = longest.number + longest.count; number <= this.newest; number++) {
      const packet = this.#packets.get(number)
      if (packet !== undefined) packet.owner = owner
    }
  }

  get owner() {
    return this.#owner
  }

  /** The packet, or undefined: `{ owner, delayMs, isLate, peaks }`; `delayMs`: more than the quickest. */
  at(number) {
    return this.#packets.get(number)
  }

  /** Runs of packets that were not there when they were due, from `from` to before `to`, as `{ number, count }`. */
  gaps(from, to) {
    const found = []
    for (let number = Math.max(from, this.first ?? Infinity); number < to; number++) {
      const packet = this.#packets.get(number)
      if (packet !== undefined && !packet.isLate) continue
      const last = found.at(-1)
      if (last !== undefined && last.number + last.count === number) last.count += 1
      else found.push({ number, count: 1 })
    }
    return found
  }

  /** The longest of those, ms. */
  longestGapMs(from, to) {
    return this.#packetMs * Math.max(0, ...this.gaps(from, to).map(({ count }) => count))
  }

  #advance(number) {
    if (this.newest !== null && number <= this.newest) return
    this.newest = number
    for (const old of this.#packets.keys()) {
      if (old >= number - this.#kept) break
      this.#packets.delete(old)
    }
  }

  #forget() {
    this.#packets.clear()
    this.#baseMs = Infinity
    this.first = null
    this.newest = null
    this.received = 0
  }
}

function peaksOf(samples) {
  const length = samples.length / PEAKS
  return Array.from({ length: PEAKS }, (_, i) => {
    let peak = 0
    for (let at = Math.floor(i * length); at < (i + 1) * length; at++) peak = Math.max(peak, Math.abs(samples[at]))
    return peak
  })
}
