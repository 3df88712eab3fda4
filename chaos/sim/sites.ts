/** Where gateways are: all at one site, or every other one at a second, which has a cluster address of its own. */

import type { Endpoint } from '../../src/context/session-context.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { equalBytes } from '../../src/kit/bytes.ts'

export interface SiteEndpoints {
  readonly ike: Endpoint
  readonly natT: Endpoint
}

function site(...address: number[]): SiteEndpoints {
  const octets = Uint8Array.from(address)
  return { ike: { address: octets, port: 500 }, natT: { address: octets, port: 4500 } }
}

/** Where clients begin, and the other one. */
const [first, second] = [site(198, 51, 100, 1), site(203, 0, 113, 1)]
export const natTPort = first.natT.port
export const firstSite = first

export class Sites {
  readonly isTwo: boolean

  constructor(isTwo: boolean) {
    this.isTwo = isTwo
  }

  /** By the number in the gateway's name. */
  of(gateway: string): SiteEndpoints {
    return this.isTwo && Number(gateway.slice(2)) % 2 === 0 ? second : first
  }

  other(endpoints: SiteEndpoints): SiteEndpoints {
    return endpoints === first ? second : first
  }

  /** The site that has this address. */
  at(address: Bytes): SiteEndpoints {
    return equalBytes(address, first.ike.address) ? first : second
  }
}
