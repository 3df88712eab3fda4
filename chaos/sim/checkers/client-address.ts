/**
 * S6 and S4 for addresses: a gateway sends a session's ESP only where its client has been; and once a client knows that its move was followed
 * (MOBIKE), whoever becomes the owner later sends to where it is, or went afterwards. The owner of then, and stale ones, may lag.
 *
 * Judged by the tenure that the gateway's packet core has been told of. Not judged so: a client behind a NAT, whose address follows its packets,
 * also ones that were overtaken.
 */

import type { Endpoint } from '../../../src/context/session-context.ts'
import { endpointName } from '../whereabouts.ts'
import { Violation } from './violation.ts'

interface Known {
  /** Where it has been, the latest last. */
  readonly places: string[]
  /** From which of these on a tenure that began after `epoch` sends; null: no move of its was followed yet. */
  followed: { readonly place: number; readonly epoch: number } | null
}

export class ClientAddress {
  readonly #clients = new Map<string, Known>()
  /** SPI that a client receives by → the client. */
  readonly #bySpi = new Map<number, string>()
  /** What the packet core of a gateway was told: `since` of the session that sends by an SPI. */
  readonly #tenures = new Map<string, Map<number, number>>()
  /** Packets that were judged by the second rule. */
  judged = 0

  isAt(client: string, endpoint: Endpoint): void {
    const known = this.#clients.get(client)
    if (known === undefined) this.#clients.set(client, { places: [endpointName(endpoint)], followed: null })
    else known.places.push(endpointName(endpoint))
  }

  receives(client: string, spi: number): void {
    this.#bySpi.set(spi, client)
  }

  /**
   * The client was told that it was followed to where it is, and has been since it asked; `epoch`: of its session. `isExact`: it is not behind a
   * NAT there, so nothing else moves it.
   */
  followed(client: string, epoch: number, isExact: boolean): void {
    const known = this.#clients.get(client)!
    known.followed = isExact ? { place: known.places.length - 1, epoch } : null
  }

  /** A process began anew. */
  forgot(gateway: string): void {
    this.#tenures.delete(gateway)
  }

  /** The packet core of the gateway has the session in the tenure that began with epoch `since`. */
  told(gateway: string, spis: readonly number[], since: number): void {
    const tenures = this.#tenures.get(gateway) ?? new Map<number, number>()
    this.#tenures.set(gateway, tenures)
    for (const spi of spis) tenures.set(spi, since)
  }

  /** A gateway sends an ESP packet. */
  espSent(gateway: string, spi: number, remote: Endpoint): void {
    const client = this.#bySpi.get(spi)
    if (client === undefined) return
    const { places, followed } = this.#clients.get(client)!
    const name = endpointName(remote)
    // One may come back to where it was.
    const place = places.lastIndexOf(name)
    if (place === -1) throw new Violation('S6', `${gateway} sent a packet for ${client} to ${name}, where that has never been`)
    const since = this.#tenures.get(gateway)?.get(spi)
    if (followed === null || since === undefined || since <= followed.epoch) return
    this.judged += 1
    if (place < followed.place)
      throw new Violation(
        'S4',
        `${gateway} owns since epoch ${since} and sent to ${name}: ${client} has left, and was followed to ${places[followed.place]}`,
      )
  }
}
