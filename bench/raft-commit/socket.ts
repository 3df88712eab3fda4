/**
 * The least that clients in another process need to have commands committed: a TCP connection without TLS, as etcd's clients have here.
 *
 *     request: length u32 (of the command) | number u32 | command        answer: number u32
 */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

const headOctets = 8
const answerOctets = 4

/** Listens on loopback, and answers when `commit` has resolved; a command that fails ends its connection. Resolves with the port. */
export async function serveCommits(commit: (command: Uint8Array) => Promise<unknown>): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    const answers = new Gatherer(socket)
    const take = cutter((rest) => {
      const length = rest.length < headOctets ? 0 : rest.readUInt32BE(0)
      if (rest.length < headOctets + length) return 0
      const number = rest.subarray(4, headOctets)
      commit(rest.subarray(headOctets, headOctets + length)).then(
        () => answers.add(number),
        () => socket.destroy(),
      )
      return headOctets + length
    })
    socket.on('data', take)
    socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  server.unref()
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export class CommitClient {
  readonly #socket: Socket
  readonly #requests: Gatherer
  readonly #waiting = new Map<number, () => void>()
  #count = 0

  static async connect(port: number): Promise<CommitClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new CommitClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#requests = new Gatherer(socket)
    const take = cutter((rest) => {
      if (rest.length < answerOctets) return 0
      const number = rest.readUInt32BE(0)
      this.#waiting.get(number)?.()
      this.#waiting.delete(number)
      return answerOctets
    })
    socket.on('data', take)
    socket.once('close', () => {
      if (this.#waiting.size > 0) throw new Error('the server closed the connection')
    })
  }

  commit(command: Uint8Array): Promise<void> {
    const number = ++this.#count
    const head = Buffer.alloc(headOctets)
    head.writeUInt32BE(command.length, 0)
    head.writeUInt32BE(number, 4)
    this.#requests.add(head, command)
    return new Promise((resolve) => this.#waiting.set(number, resolve))
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** What is said in one turn of the event loop leaves in one write. */
class Gatherer {
  readonly #socket: Socket
  #parts: Uint8Array[] = []

  constructor(socket: Socket) {
    this.#socket = socket
  }

  add(...parts: readonly Uint8Array[]): void {
    if (this.#parts.length === 0) process.nextTick(() => this.#flush())
    this.#parts.push(...parts)
  }

  #flush(): void {
    const parts = this.#parts
    this.#parts = []
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(parts))
  }
}

/** `takeOne` takes one message from the beginning and returns its octets, 0 when it is not whole. */
function cutter(takeOne: (rest: Buffer) => number): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let taken = takeOne(rest); taken > 0; taken = takeOne(rest)) rest = rest.subarray(taken)
  }
}
