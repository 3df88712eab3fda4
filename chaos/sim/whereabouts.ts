/**
 * Where clients are. Some never move. A mobile one (MOBIKE) roams: it has another address from one packet to the next, says so as soon as it may
 * ask something, and may be behind a NAT or not, there as here. Others are behind a NAT for good, which forgets them now and then: then they have
 * another port, or another address and port, and know nothing of it.
 *
 * Addresses and ports that somebody has left are given to others, so what still goes there arrives at a stranger.
 */

import type { Endpoint } from '../../src/context/session-context.ts'
import { formatAddress } from '../../src/context/address.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'

export const clientKinds = ['fixed', 'mobile', 'behind a NAT'] as const
export type ClientKind = (typeof clientKinds)[number]

/** As the gateways see it, and where the client takes itself to be. */
export interface Place {
  readonly ike: Endpoint
  readonly natT: Endpoint
  readonly inside: { readonly ike: Endpoint; readonly natT: Endpoint }
}

/** Chance that a NAT forgets the address, too; that a roaming client comes to be behind one; that a place is one that somebody has left. */
const OTHER_NAT = 0.2
const INTO_NAT = 0.4
const USED_BEFORE = 0.4
const FIRST_NAT_PORT = 20_000

export class Whereabouts<Client> {
  readonly #random: SeededRandom
  readonly #there = new Map<string, Client>()
  /** Whoever was there is in it. */
  readonly #known = new Set<string>()
  /** Places without a NAT that were left, and nobody is at. */
  readonly #left: Place[] = []
  /** External ports of NATs that were left. */
  readonly #leftPorts: Place[] = []
  #places = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** Where a client begins. */
  first(index: number, kind: ClientKind): Place {
    return kind === 'behind a NAT' ? this.#behindNat() : open(Uint8Array.of(192, 0, 2, index + 1))
  }

  /** Where a client goes from there; null: it does not move. */
  next(kind: ClientKind, from: Place): Place | null {
    if (kind === 'fixed') return null
    if (kind === 'mobile' && this.#random.fraction() >= INTO_NAT) return this.#reused(this.#left) ?? this.#newPlace()
    const isSameNat = kind === 'behind a NAT' && this.#random.fraction() >= OTHER_NAT
    return this.#reused(this.#leftPorts) ?? this.#behindNat(isSameNat ? from : null)
  }

  /** The client is there from now on, and nowhere else. */
  move(client: Client, from: Place | null, to: Place): void {
    if (from !== null) {
      for (const endpoint of [from.ike, from.natT]) this.#there.delete(endpointName(endpoint))
      ;(isBehindNat(from) ? this.#leftPorts : this.#left).push(from)
    }
    for (const endpoint of [to.ike, to.natT]) {
      this.#there.set(endpointName(endpoint), client)
      this.#known.add(endpointName(endpoint))
    }
  }

  /** Null: whoever was there has left; undefined: nobody has ever been there. */
  at(endpoint: Endpoint): Client | null | undefined {
    const name = endpointName(endpoint)
    return this.#there.get(name) ?? (this.#known.has(name) ? null : undefined)
  }

  #reused(left: Place[]): Place | null {
    if (left.length === 0 || this.#random.fraction() >= USED_BEFORE) return null
    return left.splice(randomBelow(this.#random, left.length), 1)[0]!
  }

  #newPlace(): Place {
    this.#places += 1
    return open(Uint8Array.of(198, 18, this.#places >>> 8, this.#places & 0xff))
  }

  /** `like`: by the same address. */
  #behindNat(like: Place | null = null): Place {
    this.#places += 1
    const address = like?.natT.address ?? Uint8Array.of(203, 0, 113, 100 + randomBelow(this.#random, 4))
    const port = FIRST_NAT_PORT + 2 * this.#places
    const within = open(Uint8Array.of(192, 168, this.#places >>> 8, this.#places & 0xff))
    return { ike: { address, port }, natT: { address, port: port + 1 }, inside: within.inside }
  }
}

export function isBehindNat({ natT, inside }: Place): boolean {
  return natT !== inside.natT
}

export function endpointName({ address, port }: Endpoint): string {
  return `${formatAddress(address)}:${port}`
}

function open(address: Uint8Array): Place {
  const [ike, natT] = [
    { address, port: 500 },
    { address, port: 4500 },
  ]
  return { ike, natT, inside: { ike, natT } }
}
