/**
 * A telephone's playout buffer: what arrives early waits, so that what is up to `depthMs` late is still in time. What is not there when it is due is
 * silence: nothing is concealed. Pure; whoever plays is the clock.
 */

/** Sender's and player's clocks differ a little: who plays by this much faster or slower is not heard to (5 cents). */
const MAX_CORRECTION = 0.003
/** How far the buffer may be from its depth before it is corrected. */
const TOLERANCE_MS = 12
/** Of how many packets the mean is taken, about. */
const MEAN_PACKETS = 150
/** Further away than this it is another time: begin anew. */
const RESTART_MS = 1000

export class JitterBuffer {
  #packets = new Map()
  #samplesPerPacket
  #perMs
  #depth
  /** The next sample to be played, counted from packet 0; null: nothing has arrived yet. */
  #position = null
  /** By how many samples packets come before they are due. */
  #lead
  #step = 1
  #hasPlayed = false
  #silence = 0
  played = 0
  missing = 0
  late = 0
  restarts = 0
  longestSilenceMs = 0

  constructor({ sampleRate, packetMs, depthMs }) {
    this.#perMs = sampleRate / 1000
    this.#samplesPerPacket = packetMs * this.#perMs
    this.#depth = depthMs * this.#perMs
    this.#lead = this.#depth
  }

  get leadMs() {
    return this.#lead / this.#perMs
  }

  /** How long it has been silent by now. */
  get silenceMs() {
    return this.#silence / this.#perMs
  }

  /** `samples`: of one packet, −1 to 1; kept. */
  arrive(number, samples) {
    const start = number * this.#samplesPerPacket
    if (this.#position === null || Math.abs(start - this.#position - this.#depth) > RESTART_MS * this.#perMs) this.#begin(start)
    const lead = start - this.#position
    if (lead <= -this.#samplesPerPacket) this.late += 1
    else this.#packets.set(number, samples)
    this.#lead += (Math.min(2 * this.#depth, Math.max(0, lead)) - this.#lead) / MEAN_PACKETS
    const off = this.#lead - this.#depth
    if (Math.abs(off) > TOLERANCE_MS * this.#perMs) this.#step = 1 + Math.sign(off) * MAX_CORRECTION
    else if (Math.sign(off) !== Math.sign(this.#step - 1)) this.#step = 1
  }

  /** Fills `output` with what is due. */
  play(output) {
    if (this.#position === null) return void output.fill(0)
    for (let i = 0; i < output.length; i++) {
      const number = Math.floor(this.#position / this.#samplesPerPacket)
      const value = this.#valueAt(number)
      output[i] = value ?? 0
      this.#count(value === null)
      this.#position += this.#step
      if (Math.floor(this.#position / this.#samplesPerPacket) !== number) this.#end(number)
    }
  }

  #begin(start) {
    if (this.#position !== null) this.restarts += 1
    this.#packets.clear()
    this.#position = start - this.#depth
    this.#lead = this.#depth
    this.#step = 1
    this.#hasPlayed = false
    this.#silence = 0
  }

  /** Between two samples, on the line between them; null: that packet is not there. */
  #valueAt(number) {
    const packet = this.#packets.get(number)
    if (packet === undefined) return null
    const offset = this.#position - number * this.#samplesPerPacket
    const at = Math.floor(offset)
    const value = packet[at]
    const next = at + 1 < packet.length ? packet[at + 1] : (this.#packets.get(number + 1)?.[0] ?? value)
    return value + (next - value) * (offset - at)
  }

  #count(isSilent) {
    if (!isSilent) {
      this.#hasPlayed = true
      this.#silence = 0
    } else if (this.#hasPlayed) {
      this.#silence += 1
      this.longestSilenceMs = Math.max(this.longestSilenceMs, this.silenceMs)
    }
  }

  #end(number) {
    if (this.#packets.delete(number)) this.played += 1
    else if (this.#hasPlayed) this.missing += 1
  }
}
