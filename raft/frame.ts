/**
 * Frames on a connection between servers:
 *
 *     length u32 (of what follows) | version u8 | kind u8 | body
 *
 * The first frame each way is a hello; then the dialling side sends and the other listens, and only answers pings.
 */

import { Reader, Writer } from './wire.ts'

export const frameVersion = 1
export const frameKinds = { hello: 1, raft: 2, app: 3, ping: 4, pong: 5 } as const

export type FrameKind = keyof typeof frameKinds

/** The most octets of a body. A length beyond it is refused before anything is kept. */
export const maxBodyOctets: Readonly<Record<FrameKind, number>> = { hello: 512, raft: 16 * 1024 * 1024, app: 64 * 1024, ping: 0, pong: 0 }

export interface Frame {
  readonly kind: FrameKind
  readonly body: Uint8Array
}

export interface Hello {
  readonly cluster: string
  readonly server: string
  /** Where the sender may be dialled, `host:port`; empty: it does not say. */
  readonly address: string
}

/** The head of a frame, to be followed by the body: the body is not copied. */
export function encodeFrameHead(kind: FrameKind, bodyLength: number): Uint8Array {
  return new Writer(6)
    .u32(bodyLength + 2)
    .u8(frameVersion)
    .u8(frameKinds[kind])
    .finish()
}

export function encodeHello(hello: Hello): Uint8Array {
  return new Writer(128).text(hello.cluster).text(hello.server).text(hello.address).finish()
}

/** Throws `DecodeError`. */
export function decodeHello(body: Uint8Array): Hello {
  const reader = new Reader('hello', body)
  const hello = { cluster: reader.text('cluster', 128), server: reader.text('server', 64), address: reader.text('address', 300) }
  reader.end()
  return hello
}

/** Cuts a stream into frames. After an error the stream is of no use: close it. */
export class FrameDecoder {
  #chunks: Uint8Array[] = []
  #buffered = 0
  #wanted = headOctets
  #isFirst = true

  /** Takes octets as they come, calls `onFrame` for each whole frame. Throws `DecodeError`. Bodies may be views of `chunk`. */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    // Plain octets from here on, also where a subclass came in.
    this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    this.#buffered += chunk.length
    if (this.#buffered < this.#wanted) return
    const bytes = this.#join()
    let at = 0
    for (let head = this.#head(bytes, at); head !== null; head = this.#head(bytes, at)) {
      const end = at + headOctets + head.bodyLength
      this.#isFirst = false
      onFrame({ kind: head.kind, body: bytes.subarray(at + headOctets, end) })
      at = end
    }
    this.#keep(bytes.subarray(at))
  }

  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!
    const all = new Uint8Array(this.#buffered)
    let at = 0
    for (const chunk of this.#chunks) {
      all.set(chunk, at)
      at += chunk.length
    }
    return all
  }

  #keep(rest: Uint8Array): void {
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#buffered = rest.length
  }

  /** Of the frame at `at`, or null when it is not whole; what it takes to be whole is noted. */
  #head(bytes: Uint8Array, at: number): { readonly kind: FrameKind; readonly bodyLength: number } | null {
    this.#wanted = headOctets
    if (bytes.length - at < headOctets) return null
    const reader = new Reader('frame', bytes.subarray(at, at + headOctets))
    const length = reader.u32('length')
    const version = reader.u8('version')
    if (version !== frameVersion) reader.fail('version', `expected ${frameVersion}, got ${version}`)
    const kind = kindOf(reader, reader.u8('kind'), this.#isFirst)
    const maximum = maxBodyOctets[kind]
    if (length < 2 || length > maximum + 2) reader.fail('length', `expected 2 to ${maximum + 2}, got ${length}`)
    this.#wanted = 4 + length
    return bytes.length - at < this.#wanted ? null : { kind, bodyLength: length - 2 }
  }
}

const headOctets = 6

function kindOf(reader: Reader, value: number, isFirst: boolean): FrameKind {
  if (isFirst !== (value === frameKinds.hello)) return reader.fail('kind', `kind ${value} ${isFirst ? 'before' : 'after'} the hello`)
  if (value === frameKinds.hello) return 'hello'
  if (value === frameKinds.raft) return 'raft'
  if (value === frameKinds.app) return 'app'
  if (value === frameKinds.ping) return 'ping'
  if (value === frameKinds.pong) return 'pong'
  return reader.fail('kind', `unknown kind ${value}`)
}
