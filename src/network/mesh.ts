/**
 * The mesh: UDP between gateways, authenticated and encrypted (mesh-channel.ts), lossy and unordered like what it carries.
 *
 * Keys are given from outside, one a direction and connection: what this gateway sends to a peer is under the key of the connection that
 * it dialled there, what it receives under the key of the one that the peer dialled. The dialling side has its key a moment earlier, so
 * datagrams under a key that isn't known yet wait shortly. After a reconnection datagrams under the former key may still be on their
 * way, so the two newest receive keys of a peer are good.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import { copyOf } from '../kit/bytes.ts'
import type { Drops } from './drops.ts'
import { MESH_OVERHEAD_OCTETS, MeshOpener, MeshSealer, meshKeyId } from './mesh-channel.ts'
import type { DatagramSocket, OpenSocket } from './udp.ts'
import { MAX_DATAGRAM_OCTETS, openPlainSocket } from './udp.ts'

export const MAX_MESH_MESSAGE_OCTETS = MAX_DATAGRAM_OCTETS - MESH_OVERHEAD_OCTETS

const RECEIVE_KEYS_A_PEER = 2
const MAX_REMEMBERED_KEYS = 4096
/** The client's side of a TLS 1.3 handshake ends half a round trip before the server's. */
const EARLY_DATAGRAM_MS = 500
const MAX_EARLY_DATAGRAMS = 256
const MAX_EARLY_OCTETS = 1 << 20

export interface MeshOptions {
  readonly listen: Endpoint
  /** Where the other gateways listen, by id. */
  readonly peers: ReadonlyMap<string, Endpoint>
  readonly drops: Drops
  readonly open?: OpenSocket
  /** How datagrams are sealed and opened; `plain` where nothing is said. */
  readonly path?: 'fast' | 'plain'
  /** A message of the authenticated gateway; the receiver's to keep. */
  onMessage(gateway: string, message: Bytes): void
  /** Monotonic ms. */
  nowMs(): number
}

/** A key for one direction between this gateway and `peer`. */
export interface MeshKeyChange {
  readonly peer: string
  readonly direction: 'send' | 'receive'
  readonly keyId: number
  readonly key: Bytes
}

interface ReceiveKey {
  readonly peer: string
  readonly opener: MeshOpener
}

interface EarlyDatagram {
  readonly keyId: number
  readonly datagram: Bytes
  readonly untilMs: number
}

export class Mesh {
  readonly #options: MeshOptions
  readonly #peers: Map<string, Endpoint>
  readonly #sealers = new Map<string, MeshSealer>()
  /** Ids of keys that sent, so that none ever starts again. */
  readonly #sentUnder = new Set<number>()
  /** In the order of arrival, so the newest of a peer is its last. */
  readonly #receiveKeys = new Map<number, ReceiveKey>()
  #early: EarlyDatagram[] = []
  #earlyOctets = 0
  #socket: DatagramSocket | null = null

  static async open(options: MeshOptions): Promise<Mesh> {
    const mesh = new Mesh(options)
    const open = options.open ?? openPlainSocket
    mesh.#socket = await open({ local: options.listen, drops: options.drops, onDatagram: (datagram) => mesh.#receive(datagram) })
    return mesh
  }

  private constructor(options: MeshOptions) {
    this.#options = options
    this.#peers = new Map(options.peers)
  }

  /** Where it listens, with the port that the system chose when 0 was asked for. */
  get local(): Endpoint {
    return this.#socket?.local ?? this.#options.listen
  }

  /** A gateway's address; null: it left, and its keys are forgotten. */
  setPeer(peer: string, endpoint: Endpoint | null): void {
    if (endpoint !== null) {
      this.#peers.set(peer, endpoint)
      return
    }
    this.#peers.delete(peer)
    this.#sealers.get(peer)?.close()
    this.#sealers.delete(peer)
    for (const [keyId, known] of this.#receiveKeys) if (known.peer === peer) this.#forgetReceiveKey(keyId)
  }

  /** The newest send key replaces the former; of receive keys the two newest stay. The same key again changes nothing. */
  setKey(change: MeshKeyChange): void {
    if (change.direction === 'receive') this.#addReceiveKey(change)
    else this.#setSendKey(change)
  }

  /** Sends one message, or drops and counts it; returns whether it left. */
  send(gateway: string, message: Bytes): boolean {
    const endpoint = this.#peers.get(gateway)
    const sealer = this.#sealers.get(gateway)
    if (endpoint === undefined || this.#socket === null) return this.#drop('mesh-no-peer')
    if (sealer === undefined) return this.#drop('mesh-no-key')
    if (message.length > MAX_MESH_MESSAGE_OCTETS) return this.#drop('mesh-too-long')
    return this.#socket.send(endpoint, sealer.seal(message))
  }

  async close(): Promise<void> {
    await this.#socket?.close()
    this.#socket = null
  }

  /** A sealer made anew from a key that sent before would count from 1 again: nonces would repeat. */
  #setSendKey(change: MeshKeyChange): void {
    if (this.#sealers.get(change.peer)?.keyId === change.keyId) return
    if (this.#sentUnder.has(change.keyId)) {
      this.#drop('mesh-key-reused')
      return
    }
    if (this.#sentUnder.size >= MAX_REMEMBERED_KEYS) for (const oldest of this.#sentUnder) if (this.#sentUnder.delete(oldest)) break
    this.#sentUnder.add(change.keyId)
    this.#sealers.get(change.peer)?.close()
    this.#sealers.set(change.peer, new MeshSealer(change, this.#options.path))
  }

  #addReceiveKey(change: MeshKeyChange): void {
    if (this.#receiveKeys.get(change.keyId)?.peer === change.peer) return
    this.#forgetReceiveKey(change.keyId)
    this.#receiveKeys.set(change.keyId, { peer: change.peer, opener: new MeshOpener(change, this.#options.path) })
    const ofPeer = [...this.#receiveKeys].filter(([, known]) => known.peer === change.peer)
    for (const [keyId] of ofPeer.slice(0, -RECEIVE_KEYS_A_PEER)) this.#forgetReceiveKey(keyId)
    this.#receiveEarly(change.keyId)
  }

  #forgetReceiveKey(keyId: number): void {
    this.#receiveKeys.get(keyId)?.opener.close()
    this.#receiveKeys.delete(keyId)
  }

  #receive(datagram: Bytes): void {
    const keyId = meshKeyId(datagram)
    if (keyId === null) {
      this.#drop('mesh-malformed')
      return
    }
    const known = this.#receiveKeys.get(keyId)
    if (known === undefined) this.#keepEarly(keyId, datagram)
    else this.#open(known, datagram)
  }

  #open(known: ReceiveKey, datagram: Bytes): void {
    const message = known.opener.open(datagram)
    if (typeof message === 'string') this.#drop(message)
    else this.#options.onMessage(known.peer, message)
  }

  /** Anybody can send a datagram under an unknown key: what waits is bounded, and newcomers are dropped, not what waits already. */
  #keepEarly(keyId: number, datagram: Bytes): void {
    const nowMs = this.#options.nowMs()
    this.#forgetLate(nowMs)
    if (this.#early.length >= MAX_EARLY_DATAGRAMS || this.#earlyOctets + datagram.length > MAX_EARLY_OCTETS) {
      this.#drop('mesh-unknown-key')
      return
    }
    this.#early.push({ keyId, datagram: copyOf(datagram), untilMs: nowMs + EARLY_DATAGRAM_MS })
    this.#earlyOctets += datagram.length
  }

  /** Counts and forgets what waited too long. Call it now and then: memory is bounded anyway, but the count comes late otherwise. */
  tick(): void {
    if (this.#early.length > 0) this.#forgetLate(this.#options.nowMs())
  }

  #forgetLate(nowMs: number): void {
    const late = this.#early.findIndex((early) => early.untilMs > nowMs)
    const count = late < 0 ? this.#early.length : late
    for (const early of this.#early.splice(0, count)) {
      this.#earlyOctets -= early.datagram.length
      this.#drop('mesh-unknown-key')
    }
  }

  #receiveEarly(keyId: number): void {
    this.#forgetLate(this.#options.nowMs())
    const ready = this.#early.filter((early) => early.keyId === keyId)
    this.#early = this.#early.filter((early) => early.keyId !== keyId)
    for (const early of ready) {
      this.#earlyOctets -= early.datagram.length
      this.#receive(early.datagram)
    }
  }

  #drop(reason: string): false {
    this.#options.drops.count(reason)
    return false
  }
}
