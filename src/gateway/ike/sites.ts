/**
 * Several sites in one group: gateways that hold different cluster addresses. A client speaks to one address, its owner may be at another's
 * site: then the two are brought together, by telling the client of the owner's address (`re-anchor`), or, when the client has gone over by
 * itself, by handing the session to a gateway there.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { equalBytes } from '../../kit/bytes.ts'
import type { Endpoint, SessionContext } from '../../context/session-context.ts'

/** Whether an endpoint is of the site that can hold `addresses`. */
export function isAtSite(addresses: readonly Bytes[], { address }: Endpoint): boolean {
  return addresses.some((one) => equalBytes(one, address))
}

/** Whether an exchange took the client from this site's addresses to another's. */
export function hasLeftSite(addresses: readonly Bytes[], before: SessionContext, after: SessionContext | null): boolean {
  return after?.phase === 'established' && isAtSite(addresses, before.local) && !isAtSite(addresses, after.local)
}

/** Where this site can speak to the client from, by the same port; null: it has no address of the client's family. */
export function endpointHere(addresses: readonly Bytes[], { local }: SessionContext): Endpoint | null {
  const address = addresses.find(({ length }) => length === local.address.length)
  return address === undefined ? null : { address, port: local.port }
}
