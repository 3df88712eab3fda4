/**
 * The connection that this server keeps to one peer, for what it sends. Lost, it is dialled again at once; refused then, the peer's process is
 * most likely dead, and that is said; afterwards the attempts slow down to two a second.
 *
 * Pings find out when the path is gone though nobody closed: TCP alone would go on for minutes, and wait as long after the path is back. They
 * count in our own ticks, after the sockets were read, so that a frozen process does not blame its peers.
 */

import { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from 'node:timers'
import * as tls from 'node:tls'
import { decodeHello, encodeFrameHead, encodeHello, FrameDecoder } from './frame.ts'
import type { FrameKind, Hello } from './frame.ts'
import type { ServerId } from './message.ts'
import type { PeerIdentity } from './peer-identity.ts'
import { peerIdentity } from './peer-identity.ts'
import type { SendPriority } from './priority.ts'
import type { RandomSource } from './random.ts'
import { randomBelow } from './random.ts'
import { SendQueue } from './send-queue.ts'
import type { PeerState } from './transport.ts'
import { DecodeError } from './wire.ts'

/** PEM; `ca` may hold several. */
export interface Credentials {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Whoever writes one certificate behind another may forget the line between: OpenSSL would read the first alone. */
export function contextOf({ ca, cert, key }: Credentials) {
  const authorities = ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return { ca: [...authorities], cert, key, minVersion: 'TLSv1.3' as const }
}

export interface OutboundPeerOptions {
  readonly identity: PeerIdentity
  /** Where we may be dialled. */
  readonly address: string
  readonly peer: ServerId
  readonly host: string
  readonly port: number
  /** PEM, asked for at every attempt. */
  readonly credentials: () => Credentials
  readonly random: RandomSource
  readonly helloTimeoutMs: number
  readonly pingMs: number
  readonly maxQueueOctets: number
  readonly onConnected: (socket: tls.TLSSocket) => void
  readonly onState: (state: PeerState) => void
  /** A connection that we gave up, and why. */
  readonly onRefused: (reason: string) => void
}

const minBackoffMs = 20
const maxBackoffMs = 500
/** While the socket holds more than this, frames wait in our queue, where the oldest can be dropped. */
const socketHighWaterOctets = 1024 * 1024
/** What comes last is handed over only behind less than this: what the socket has got nothing overtakes any more. */
const bulkHighWaterOctets = 32 * 1024
/** With so many pings unanswered the connection is given up; later, while much of ours is still on its way before them. */
const maxUnansweredPings = 3
const maxUnansweredPingsBehindData = 20

export class OutboundPeer {
  readonly #options: OutboundPeerOptions
  readonly #queue: SendQueue
  #socket: tls.TLSSocket | null = null
  #isReady = false
  #isFlushing = false
  #isClosed = false
  #backoffMs = minBackoffMs
  #retry: NodeJS.Timeout | null = null
  #pings: NodeJS.Timeout | null = null
  #unanswered = 0
  /** A connection was lost, and whether the next ones are refused tells why. */
  #isProbing = false

  constructor(options: OutboundPeerOptions) {
    this.#options = options
    this.#queue = new SendQueue(options.maxQueueOctets)
    this.#connect()
  }

  get isConnected(): boolean {
    return this.#isReady
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  /** Queues a frame; returns false, and drops it, while there is no connection. */
  send(kind: FrameKind, body: Uint8Array, priority: SendPriority = null): boolean {
    if (!this.#isReady) {
      this.#queue.dropped++
      return false
    }
    this.#queue.push([encodeFrameHead(kind, body.length), body], priority)
    if (!this.#isFlushing) {
      this.#isFlushing = true
      setImmediate(() => this.#flush())
    }
    return true
  }

  /** The connection is made anew, as if it had been lost. */
  renew(): void {
    this.#socket?.destroy()
  }

  close(): void {
    this.#isClosed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#socket?.destroy()
  }

  /** Everything that one turn of the event loop queued goes in one write. */
  #flush(): void {
    this.#isFlushing = false
    const socket = this.#socket
    if (socket === null || !this.#isReady) return
    socket.cork()
    while (socket.writableLength < socketHighWaterOctets) {
      const parts = this.#queue.shift(socket.writableLength < bulkHighWaterOctets)
      if (parts === null) break
      for (const part of parts) socket.write(part)
    }
    socket.uncork()
  }

  #connect(): void {
    const { host, port } = this.#options
    let error: NodeJS.ErrnoException | null = null
    const socket = tls.connect({
      host,
      port,
      ...contextOf(this.#options.credentials()),
      checkServerIdentity: (_, certificate) => this.#checkIdentity(certificate),
    })
    this.#socket = socket
    socket.setNoDelay(true)
    const timer = setTimeout(() => socket.destroy(), this.#options.helloTimeoutMs)
    socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause))
    socket.once('secureConnect', () => this.#sayHello(socket))
    socket.on('drain', () => this.#flush())
    socket.once('close', () => {
      clearTimeout(timer)
      this.#closed(error)
    })
    this.#readHello(socket, () => {
      clearTimeout(timer)
      this.#ready(socket)
    })
  }

  #checkIdentity(certificate: tls.PeerCertificate): Error | undefined {
    const { identity, peer } = this.#options
    const theirs = peerIdentity(certificate.subjectaltname)
    if (theirs?.cluster === identity.cluster && theirs.server === peer) return undefined
    this.#options.onRefused('certificate of another server')
    return new Error(`expected the certificate of ${peer} in ${identity.cluster}, got ${JSON.stringify(theirs)}`)
  }

  #sayHello(socket: tls.TLSSocket): void {
    const body = encodeHello({ ...this.#options.identity, address: this.#options.address })
    socket.write(encodeFrameHead('hello', body.length))
    socket.write(body)
  }

  /** Their hello, and answers to pings, are all that ever comes on this connection. */
  #readHello(socket: tls.TLSSocket, onHello: () => void): void {
    const decoder = new FrameDecoder()
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk, (frame) => {
          if (frame.kind === 'pong') this.#unanswered = 0
          else if (frame.kind === 'hello' && this.#isExpected(decodeHello(frame.body))) onHello()
          else this.#giveUp(socket, 'hello of another')
        })
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        this.#giveUp(socket, 'malformed frame')
      }
    })
  }

  #isExpected(hello: Hello): boolean {
    return hello.cluster === this.#options.identity.cluster && hello.server === this.#options.peer
  }

  #giveUp(socket: tls.TLSSocket, reason: string): void {
    this.#options.onRefused(reason)
    socket.destroy()
  }

  #ready(socket: tls.TLSSocket): void {
    if (this.#isClosed || socket.destroyed) return
    this.#isReady = true
    this.#isProbing = false
    this.#backoffMs = minBackoffMs
    this.#unanswered = 0
    this.#pings = setInterval(() => setImmediate(() => this.#ping(socket)), this.#options.pingMs)
    this.#options.onConnected(socket)
    this.#options.onState('connected')
  }

  #ping(socket: tls.TLSSocket): void {
    if (socket !== this.#socket || socket.destroyed) return
    if (this.#unanswered >= (socket.writableLength > 0 ? maxUnansweredPingsBehindData : maxUnansweredPings)) {
      this.#giveUp(socket, 'no answer')
      return
    }
    this.#unanswered++
    socket.write(encodeFrameHead('ping', 0))
  }

  #closed(error: NodeJS.ErrnoException | null): void {
    const wasReady = this.#isReady
    this.#isReady = false
    this.#socket = null
    this.#queue.clear()
    if (this.#pings !== null) clearInterval(this.#pings)
    if (this.#isClosed) return
    if (wasReady) this.#lost()
    else this.#failed(error)
  }

  #lost(): void {
    this.#isProbing = true
    this.#options.onState('closed')
    if (!this.#isClosed) this.#connect()
  }

  #failed(error: NodeJS.ErrnoException | null): void {
    if (this.#isProbing && error?.code === 'ECONNREFUSED') {
      this.#isProbing = false
      this.#options.onState('refused')
    }
    this.#retryLater()
  }

  #retryLater(): void {
    if (this.#isClosed) return
    const delay = this.#backoffMs + randomBelow(this.#options.random, this.#backoffMs)
    this.#backoffMs = Math.min(2 * this.#backoffMs, maxBackoffMs)
    this.#retry = setTimeout(() => this.#connect(), delay)
  }
}
