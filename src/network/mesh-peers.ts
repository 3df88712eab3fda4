/**
 * Who may use the mesh, and how they are reached: keys come with Raft's connections, on which each gateway also says where its mesh listens. Anybody with a
 * certificate of the cluster may connect there, one that waits to be added or was removed, too; on the mesh is who is admitted.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { MeshKeyChange } from './mesh.ts'

/** What is told of it. */
export interface MeshPlane {
  setMeshPeer(gateway: string, endpoint: Endpoint | null): void
  setMeshKey(change: MeshKeyChange): void
}

interface Known {
  endpoint: Endpoint | null
  sendKey: MeshKeyChange | null
  /** The two newest, as the mesh has them. */
  receiveKeys: readonly MeshKeyChange[]
}

/** Of those that are not admitted so many are remembered. */
const MAX_GUESTS = 64

export class MeshPeers {
  readonly #plane: MeshPlane
  readonly #known = new Map<string, Known>()
  #admitted: ReadonlySet<string> = new Set()

  /** `endpoints`: where the mesh of the first members listens, as far as that is known before they have said so. */
  constructor(plane: MeshPlane, endpoints: ReadonlyMap<string, Endpoint>) {
    this.#plane = plane
    for (const [id, endpoint] of endpoints) this.#of(id).endpoint = endpoint
  }

  setKey(change: MeshKeyChange): void {
    const known = this.#of(change.peer)
    if (change.direction === 'send') known.sendKey = change
    else known.receiveKeys = [...known.receiveKeys, change].slice(-2)
    if (this.#admitted.has(change.peer)) this.#plane.setMeshKey(change)
  }

  setEndpoint(gateway: string, endpoint: Endpoint): void {
    this.#of(gateway).endpoint = endpoint
    if (this.#admitted.has(gateway)) this.#plane.setMeshPeer(gateway, endpoint)
  }

  /** These are on the mesh from now on, and no others. */
  admit(gateways: Iterable<string>): void {
    const former = this.#admitted
    this.#admitted = new Set(gateways)
    for (const gateway of former) if (!this.#admitted.has(gateway)) this.#leave(gateway)
    for (const gateway of this.#admitted) if (!former.has(gateway)) this.#join(gateway)
  }

  #join(gateway: string): void {
    const { endpoint, sendKey, receiveKeys } = this.#of(gateway)
    if (endpoint !== null) this.#plane.setMeshPeer(gateway, endpoint)
    for (const key of [sendKey, ...receiveKeys]) if (key !== null) this.#plane.setMeshKey(key)
  }

  /** A key that was given up is never used again: its counter would begin anew. */
  #leave(gateway: string): void {
    this.#known.delete(gateway)
    this.#plane.setMeshPeer(gateway, null)
  }

  #of(gateway: string): Known {
    const known = this.#known.get(gateway) ?? { endpoint: null, sendKey: null, receiveKeys: [] }
    if (!this.#known.has(gateway)) this.#makeRoom()
    this.#known.set(gateway, known)
    return known
  }

  #makeRoom(): void {
    const guests = [...this.#known.keys()].filter((id) => !this.#admitted.has(id))
    if (guests.length >= MAX_GUESTS) this.#known.delete(guests[0]!)
  }
}
