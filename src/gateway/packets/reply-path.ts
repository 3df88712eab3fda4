/**
 * The way of datagrams to clients (`address.reply`): directly from the owner, or through the holder of the cluster address, where the
 * network drops what comes from the address and not from its holder (DESIGN.md "The cluster address"). From an address of another site they
 * leave through its holder in any case; while nobody holds it, from one of ours: most clients look at neither address of what is authentic.
 *
 * What a gateway is given to send for another leaves here, whoever holds the address by then: it is never passed on again, so no reply
 * circles between two gateways that each believe the other to be the holder.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { toHex } from '../../kit/bytes.ts'
import type { Endpoint } from '../../context/session-context.ts'
import type { AddressHolder } from '../packet-messages.ts'
import type { RouteName } from './routes.ts'
import { addressName } from './routes.ts'

export interface ReplyOptions {
  readonly way: 'direct' | 'via-holder'
  /** The cluster's own: each address with each port. Nothing is sent for another gateway from any other. */
  readonly endpoints: readonly Endpoint[]
}

export class ReplyPath {
  readonly #self: string
  readonly #options: ReplyOptions
  readonly #own: ReadonlySet<string>
  /** Invariant: as many entries as the cluster has addresses, at most. */
  #holders: ReadonlyMap<RouteName, string | null> = new Map()
  /** Whether the cluster has addresses that are not this gateway's. */
  #hasOtherSites = false

  constructor(self: string, options: ReplyOptions) {
    this.#self = self
    this.#options = options
    this.#own = new Set(options.endpoints.map(({ address, port }) => endpointName(address, port)))
  }

  /** Who holds which of the cluster's addresses, in place of what was known. */
  update(holders: readonly AddressHolder[]): void {
    this.#holders = new Map(holders.map(({ address, gateway }) => [addressName(address), gateway]))
    const own = new Set(this.#options.endpoints.map(({ address }) => addressName(address)))
    this.#hasOtherSites = [...this.#holders.keys()].some((address) => !own.has(address))
  }

  /** Where a datagram from `local` comes from: from there, but for another site's address that nobody holds. */
  source(local: Endpoint): Endpoint {
    if (!this.#hasOtherSites || this.isOwn(local) || this.#holderOf(local) !== null) return local
    const { length } = local.address
    return this.#options.endpoints.find(({ address, port }) => address.length === length && port === local.port) ?? local
  }

  /** The gateway through which a datagram from `source` leaves; null: it leaves here. */
  through(source: Endpoint): string | null {
    if (this.#options.way === 'direct' && (!this.#hasOtherSites || this.isOwn(source))) return null
    const holder = this.#holderOf(source)
    return holder === this.#self ? null : holder
  }

  #holderOf({ address }: Endpoint): string | null {
    return this.#holders.get(addressName(address)) ?? null
  }

  /** Whether the cluster sends from this endpoint at all. */
  isOwn(local: Endpoint): boolean {
    return this.#own.has(endpointName(local.address, local.port))
  }
}

function endpointName(address: Bytes, port: number): string {
  return `${toHex(address)}/${port}`
}
