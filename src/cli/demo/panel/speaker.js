/** Runs on the browser's audio thread: plays the packets that it is sent, and tells how that goes. */

import { JitterBuffer } from './jitter-buffer.js'

const TELL_MS = 100

class Speaker extends AudioWorkletProcessor {
  #buffer
  #toldAt = 0

  constructor({ processorOptions }) {
    super()
    this.#buffer = new JitterBuffer(processorOptions)
    this.port.addEventListener('message', ({ data: { number, samples } }) => this.#buffer.arrive(number, samples))
    this.port.start()
  }

  process(_inputs, [[output]]) {
    this.#buffer.play(output)
    if (currentTime >= this.#toldAt + TELL_MS / 1000) this.#tell()
    return true
  }

  #tell() {
    this.#toldAt = currentTime
    const { played, missing, late, restarts, longestSilenceMs, silenceMs, leadMs } = this.#buffer
    this.port.postMessage({ played, missing, late, restarts, longestSilenceMs, silenceMs, leadMs }, [])
  }
}

registerProcessor('speaker', Speaker)
