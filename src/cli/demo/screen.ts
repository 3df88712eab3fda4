/** The demo's output: lines that stay, and on a terminal one live line below them; and the keys. */

const CLEAR_LINE = '\r\u001b[K'
const CTRL_C = '\u0003'

export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly isTerminal: boolean
  #live = ''

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
    this.isTerminal = out.isTTY
  }

  /** Calls `listener` when nobody reads any more (`evpc demo | head`); writing goes on into the void. */
  onLost(listener: () => void): void {
    this.#out.on('error', listener)
  }

  line(text: string): void {
    if (!this.isTerminal) this.#out.write(`${text}\n`)
    else this.#out.write(`${CLEAR_LINE}${text}\n${this.#live}`)
  }

  /** Replaces the live line; where there is no terminal it is a line like the others. */
  live(text: string): void {
    if (!this.isTerminal) return this.line(text)
    // A line that wraps could not be taken back.
    this.#live = text.slice(0, Math.max(0, this.#out.columns - 1))
    this.#out.write(CLEAR_LINE + this.#live)
  }

  /** The live line stays as it is. */
  end(): void {
    if (this.#live !== '') this.#out.write('\n')
    this.#live = ''
  }
}

/** Single keys of the terminal, if there is one; Ctrl-C is the key q then. Returns what gives the terminal back. */
export function onKeys(handlers: Readonly<Record<string, () => void>>): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => undefined
  const onData = (data: Buffer): void => {
    for (const key of data.toString()) handlers[key === CTRL_C ? 'q' : key.toLowerCase()]?.()
  }
  stdin.setRawMode(true)
  stdin.resume()
  stdin.on('data', onData)
  return () => {
    stdin.off('data', onData)
    stdin.setRawMode(false)
    stdin.pause()
  }
}
