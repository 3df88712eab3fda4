/**
 * Servers talk over mutual TLS 1.3. Each dials each other one: the connection that a server dialled carries what it sends, the ones that it
 * accepted carry what it receives. So a pair has two connections, and no race about which one stays.
 *
 * Who may connect: a certificate of the cluster's CA whose subjectAltName names this cluster and another server; the dialling side wants
 * exactly the server it dialled. Both then say hello with cluster, id and address; only after that do frames flow.
 *
 * A server that is no peer, as far as we know, may be one that knows more than we do: a leader that adds us, or a server that was added while
 * we were away; or one that was removed, and is to be told. It is dialled at the address that it says, for as long as it stays connected.
 */

import { X509Certificate } from 'node:crypto'
import { clearTimeout, setTimeout } from 'node:timers'
import * as tls from 'node:tls'
import type { AddressInfo } from 'node:net'
import { isAddress, splitAddress } from './address.ts'
import { RaftError } from './errors.ts'
import { decodeHello, encodeFrameHead, encodeHello, FrameDecoder, maxBodyOctets } from './frame.ts'
import type { Frame } from './frame.ts'
import type { ServerId } from './message.ts'
import type { Credentials } from './outbound-peer.ts'
import { OutboundPeer, contextOf } from './outbound-peer.ts'
import type { PeerIdentity } from './peer-identity.ts'
import { isIdentityName, peerIdentity } from './peer-identity.ts'
import type { SendPriority } from './priority.ts'
import type { RandomSource } from './random.ts'
import type { PeerState, Transport, TransportHandlers } from './transport.ts'
import { DecodeError } from './wire.ts'

export interface TlsTransportOptions {
  readonly id: ServerId
  /** Stands in every certificate and hello. */
  readonly cluster: string
  /** `host:port`. */
  readonly listen: string
  /** Where others may dial this server, `host:port`; default: `listen`. */
  readonly address?: string
  /** The other servers, until `setPeers` says more: id → `host:port`. */
  readonly peers: Readonly<Record<ServerId, string>>
  readonly tls: Credentials
  readonly random: RandomSource
  /** Pings of connections, in ms; three unanswered end one. Default 500. */
  readonly pingMs?: number
  /** What may wait for one peer; default 32 MiB. */
  readonly maxQueueOctets?: number
  readonly onPeer?: (peer: ServerId, state: PeerState) => void
  /** Each new authenticated connection, with its exporter (RFC 8446 §7.5): both ends get the same octets. */
  readonly onChannel?: (channel: Channel) => void
  /** A datagram of a peer's application. */
  readonly onApp?: (peer: ServerId, bytes: Uint8Array) => void
}

export interface Channel {
  readonly peer: ServerId
  /** `outbound`: we dialled. */
  readonly direction: 'outbound' | 'inbound'
  readonly exportKey: (label: string, context: Uint8Array, length: number) => Uint8Array
}

/** For a peer to dial us, to authenticate, and to say hello. */
const acceptTimeoutMs = 5_000
/** For a peer that we dial; shorter, so that a path that is back is soon found. */
const dialTimeoutMs = 2_000
/** Of all others. A server dials us once; more come and go, and noise. */
const maxConnections = 320
/** An accepted connection without even a ping for so long is dead. */
const silenceTimeoutMs = 30_000
/** Servers that are no peers and are connected all the same. */
const maxGuests = 64
/** Answers to pings that a peer does not read. */
const maxUnreadOctets = 64 * 1024
/** Between two peers whose connections are made anew: not all at once. */
const renewalMs = 200

export class TlsTransport implements Transport {
  readonly #options: TlsTransportOptions
  readonly #server: tls.Server
  readonly #outbound = new Map<ServerId, { readonly address: string; readonly peer: OutboundPeer }>()
  #peers: ReadonlyMap<ServerId, string>
  /** The newest connection accepted from each peer. */
  readonly #inbound = new Map<ServerId, tls.TLSSocket>()
  readonly #sockets = new Set<tls.TLSSocket>()
  readonly #refusals = new Map<string, number>()
  #handlers: TransportHandlers | null = null
  #credentials: Credentials
  #renewal: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(options: TlsTransportOptions) {
    for (const text of [options.id, options.cluster, ...Object.keys(options.peers)]) {
      if (!isIdentityName(text)) throw new RaftError('ERR_VALIDATION', `expected 1 to 64 letters, digits, '.', '_' or '-', got '${text}'`)
    }
    this.#options = options
    this.#credentials = options.tls
    this.#peers = new Map(Object.entries(options.peers))
    this.#server = this.#createServer()
  }

  /** The port listened on, after `start`. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Connections and frames that were refused, by reason. */
  refusals(): ReadonlyMap<string, number> {
    return new Map(this.#refusals)
  }

  /** Frames that were dropped because a peer was away or slow. */
  droppedFrames(): number {
    return [...this.#outbound.values()].reduce((sum, { peer }) => sum + peer.dropped, 0)
  }

  async start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers
    await this.#listen()
    for (const [peer, address] of this.#peers) this.#dial(peer, address)
  }

  /** Before `start`: whom it dials. Throws `ERR_VALIDATION` for an address that is none. */
  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers
    if (this.#handlers === null || this.#isClosed) return
    for (const [peer, address] of peers) this.#dial(peer, address)
    for (const peer of this.#outbound.keys()) this.#leaveUnlessNeeded(peer)
  }

  send(to: ServerId, bytes: Uint8Array, priority: SendPriority = null): void {
    if (bytes.length > maxBodyOctets.raft) this.#refuse('message too long')
    else this.#outbound.get(to)?.peer.send('raft', bytes, priority)
  }

  /** Sends a datagram of at most 64 KiB to the peer's `onApp`; may be lost. Returns whether it was queued. */
  sendApp(to: ServerId, bytes: Uint8Array): boolean {
    if (bytes.length > maxBodyOctets.app) return false
    return this.#outbound.get(to)?.peer.send('app', bytes) ?? false
  }

  /**
   * From now on these are ours, and their authorities are those whose word counts. Connections are made anew, one peer after the other, so that nobody
   * stays who would not get in any more; of those that are in force already none is. Throws `ERR_VALIDATION` for what others would refuse, and nothing changes.
   */
  replaceCredentials(credentials: Credentials): void {
    checkCredentials(credentials, { cluster: this.#options.cluster, server: this.#options.id })
    const { ca, cert, key } = this.#credentials
    if (credentials.ca === ca && credentials.cert === cert && credentials.key === key) return
    this.#credentials = credentials
    this.#server.setSecureContext(contextOf(credentials))
    if (this.#renewal !== null) clearTimeout(this.#renewal)
    this.#renew([...new Set([...this.#outbound.keys(), ...this.#inbound.keys()])])
  }

  #renew([peer, ...others]: readonly ServerId[]): void {
    this.#renewal = null
    if (peer === undefined || this.#isClosed) return
    this.#outbound.get(peer)?.peer.renew()
    this.#inbound.get(peer)?.destroy()
    this.#renewal = setTimeout(() => this.#renew(others), renewalMs)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#renewal !== null) clearTimeout(this.#renewal)
    for (const { peer } of this.#outbound.values()) peer.close()
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }

  #createServer(): tls.Server {
    const server = tls.createServer({
      ...contextOf(this.#credentials),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: acceptTimeoutMs,
      noDelay: true,
    })
    server.maxConnections = maxConnections
    server.on('secureConnection', (socket) => this.#accept(socket))
    server.on('tlsClientError', (_, socket) => {
      this.#refuse('TLS handshake')
      // Node only tells of a handshake that took too long: the connection would stay, and count against the most that there may be.
      socket.destroy()
    })
    server.on('drop', () => this.#refuse('too many connections'))
    return server
  }

  #listen(): Promise<void> {
    const { host, port } = splitAddress(this.#options.listen)
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        this.#server.on('error', () => this.#refuse('listener error'))
        resolve()
      })
    })
  }

  /** Keeps a connection to the peer, at this address. */
  #dial(peer: ServerId, address: string): void {
    const present = this.#outbound.get(peer)
    if (present?.address === address) return
    present?.peer.close()
    this.#outbound.set(peer, { address, peer: this.#connect(peer, address) })
  }

  #leaveUnlessNeeded(peer: ServerId): void {
    const outbound = this.#outbound.get(peer)
    if (outbound === undefined || this.#peers.has(peer) || this.#inbound.has(peer)) return
    this.#outbound.delete(peer)
    outbound.peer.close()
    if (outbound.peer.isConnected) this.#state(peer, 'closed')
  }

  #welcomeGuest(peer: ServerId, address: string): void {
    const guests = [...this.#outbound.keys()].filter((id) => !this.#peers.has(id)).length
    if (!isAddress(address) || guests >= maxGuests) this.#refuse('guest that cannot be dialled')
    else this.#dial(peer, address)
  }

  #connect(peer: ServerId, address: string): OutboundPeer {
    const { id, cluster, random, maxQueueOctets, pingMs } = this.#options
    return new OutboundPeer({
      identity: { cluster, server: id },
      address: this.#address,
      peer,
      ...splitAddress(address),
      credentials: () => this.#credentials,
      random,
      helloTimeoutMs: dialTimeoutMs,
      pingMs: pingMs ?? 500,
      maxQueueOctets: maxQueueOctets ?? 32 * 1024 * 1024,
      onConnected: (socket) => this.#announceChannel(peer, 'outbound', socket),
      onState: (state) => this.#state(peer, state),
      onRefused: (reason) => this.#refuse(reason),
    })
  }

  get #address(): string {
    return this.#options.address ?? this.#options.listen
  }

  #state(peer: ServerId, state: PeerState): void {
    if (this.#isClosed) return
    this.#handlers?.onPeer(peer, state)
    this.#options.onPeer?.(peer, state)
  }

  #announceChannel(peer: ServerId, direction: Channel['direction'], socket: tls.TLSSocket): void {
    const exportKey = (label: string, context: Uint8Array, length: number): Uint8Array =>
      new Uint8Array(socket.exportKeyingMaterial(length, label, Buffer.from(context)))
    this.#options.onChannel?.({ peer, direction, exportKey })
  }

  #refuse(reason: string): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1)
  }

  // Connections that others dialled

  #accept(socket: tls.TLSSocket): void {
    socket.on('error', () => socket.destroy())
    const peer = this.#authenticate(socket)
    if (this.#isClosed || peer === null) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    const helloTimer = setTimeout(() => socket.destroy(), acceptTimeoutMs)
    socket.setTimeout(silenceTimeoutMs, () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(helloTimer)
      this.#sockets.delete(socket)
      if (this.#inbound.get(peer) === socket) this.#inbound.delete(peer)
      this.#leaveUnlessNeeded(peer)
    })
    this.#readFrames(socket, (frame) => this.#receive(socket, peer, frame, helloTimer))
  }

  /** The peer that the certificate names, if it may connect here. */
  #authenticate(socket: tls.TLSSocket): ServerId | null {
    const identity = socket.authorized ? peerIdentity(socket.getPeerCertificate().subjectaltname) : null
    if (identity === null) this.#refuse('certificate without identity')
    else if (identity.cluster !== this.#options.cluster) this.#refuse('certificate of another cluster')
    else if (identity.server === this.#options.id) this.#refuse('certificate of this server')
    else return identity.server
    return null
  }

  #readFrames(socket: tls.TLSSocket, onFrame: (frame: Frame) => void): void {
    const decoder = new FrameDecoder()
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk, (frame) => onFrame(frame))
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        this.#refuse('malformed frame')
        socket.destroy()
      }
    })
  }

  #receive(socket: tls.TLSSocket, peer: ServerId, frame: Frame, helloTimer: NodeJS.Timeout): void {
    if (socket.destroyed || this.#isClosed) return
    if (frame.kind === 'hello') this.#receiveHello(socket, peer, frame.body, helloTimer)
    else if (frame.kind === 'raft') this.#handlers?.onMessage(peer, frame.body)
    else if (frame.kind === 'app') this.#options.onApp?.(peer, frame.body)
    else if (frame.kind === 'ping') this.#answerPing(socket)
    else throw new DecodeError('pong on a connection that sent no ping')
  }

  #answerPing(socket: tls.TLSSocket): void {
    if (socket.writableLength > maxUnreadOctets) socket.destroy()
    else socket.write(encodeFrameHead('pong', 0))
  }

  #receiveHello(socket: tls.TLSSocket, peer: ServerId, body: Uint8Array, helloTimer: NodeJS.Timeout): void {
    clearTimeout(helloTimer)
    const hello = decodeHello(body)
    if (hello.cluster !== this.#options.cluster || hello.server !== peer) {
      this.#refuse('hello of another')
      socket.destroy()
      return
    }
    this.#inbound.get(peer)?.destroy()
    this.#inbound.set(peer, socket)
    if (!this.#peers.has(peer)) this.#welcomeGuest(peer, hello.address)
    const answer = encodeHello({ cluster: this.#options.cluster, server: this.#options.id, address: this.#address })
    socket.write(encodeFrameHead('hello', answer.length))
    socket.write(answer)
    this.#announceChannel(peer, 'inbound', socket)
  }
}

/** Whether others would take it for ours. */
function checkCredentials({ ca, cert, key }: Credentials, { cluster, server }: PeerIdentity): void {
  const fail = (problem: string): never => {
    throw new RaftError('ERR_VALIDATION', problem)
  }
  try {
    tls.createSecureContext(contextOf({ ca, cert, key }))
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error))
  }
  const certificate = new X509Certificate(cert)
  const identity = peerIdentity(certificate.subjectAltName)
  if (identity?.cluster !== cluster || identity.server !== server) fail(`expected a certificate of ${server} in ${cluster}`)
  const isKnown = contextOf({ ca, cert, key }).ca.some((pem) => certificate.verify(new X509Certificate(pem).publicKey))
  if (!isKnown) fail('the certificate is of none of the authorities')
  if (Date.parse(certificate.validTo) < Date.now()) fail(`the certificate was valid until ${certificate.validTo}`)
}
