/**
 * Clients whose address changes: by MOBIKE (RFC 4555), or because a NAT in front of them gives them another one (RFC 7296 §2.23).
 *
 * The two exclude one another for IKE: "When IKEv2 is used with MOBIKE, dynamically updating the addresses ... interferes with MOBIKE's way of
 * recovering from the same situation" (§2.23). A path probe, an empty INFORMATIONAL from another address, then moves nothing; it is answered
 * to where it came from. What ESP says about the address is the packet core's matter (gateway/packets.ts), with MOBIKE and without.
 *
 * We check no return routability (RFC 4555 §3.7 leaves it to policy): an update is authentic, and a client that names somebody else's
 * address loses its own traffic.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, equalBytes } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import type { Endpoint, SessionContext } from '../context/session-context.ts'
import { features } from '../context/session-context.ts'
import type { IkeEnvironment, Path } from './decision.ts'
import type { Request } from './exchange.ts'
import { isBehindNat } from './nat-detection.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, notification } from './wire/payloads.ts'

/** The cluster's other addresses, in the response that brings the Child SA (RFC 4555 §3.4): when its path breaks, a client tries them, too. */
export function additionalAddresses(env: IkeEnvironment, { local }: Path): Payload[] {
  return env.addresses.filter((address) => !equalBytes(address, local.address)).map(additionalAddress)
}

/**
 * All of the cluster's addresses, wherever the list is sent from: its octets are the same at every site. strongSwan speaks from then on to the
 * address that such a list came from; whoever does not is reached by the old one still.
 */
export function addressList(env: IkeEnvironment): Payload[] {
  return env.addresses.map(additionalAddress)
}

function additionalAddress(address: Bytes): Payload {
  return notification(address.length === 4 ? notifyType.additionalIp4Address : notifyType.additionalIp6Address, address)
}

/** The context at the path that UPDATE_SA_ADDRESSES came on, or null when the client does not move, or may not (RFC 4555 §3.5). */
export function movedByUpdate(request: Request, context: SessionContext): SessionContext | null {
  const { payloads } = request.message
  if (findNotify(payloads, notifyType.updateSaAddresses) === null) return null
  if ((context.features & features.mobike) === 0) return null
  const behindNat = isBehindNat(request.env.crypto, request.sa, request.path.remote, payloads)
  return { ...context, local: request.path.local, remote: request.path.remote, behindNat }
}

/**
 * The context at the path of an authentic message that is newer than all before, or null when that changes nothing. Only a client that is
 * behind a NAT and has no MOBIKE is followed to where it is. The gateway itself is taken to be behind none: whoever is "SHOULD NOT do this".
 * One that has been told of our addresses may go over to another of them; a path probe and a response say nothing of that (`isProbe`).
 */
export function followed(context: SessionContext, path: Path, isProbe: boolean): SessionContext | null {
  // ESP goes where IKE goes, and by UDP on the one port only (§2.23: "MUST ... send all subsequent traffic to and from UDP port 4500").
  if (context.phase !== 'established' || path.local.port !== context.local.port) return null
  if (isSameEndpoint(context.remote, path.remote)) {
    return isProbe || equalBytes(context.local.address, path.local.address) ? null : { ...context, local: path.local }
  }
  if (!context.behindNat || (context.features & features.mobike) !== 0) return null
  return { ...context, local: path.local, remote: path.remote }
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && equalBytes(a.address, b.address)
}

/** NAT prohibition (RFC 4555 §3.9): whether the sender forbids NATs, and the addresses changed on the way. */
export function hasForbiddenNat(payloads: readonly Payload[], path: Path): boolean {
  const sent = findNotify(payloads, notifyType.noNatsAllowed)
  return sent !== null && !equalBytes(sent.data, noNatsData(path))
}

/** RFC 4555 §4.2.6: source and destination address, source and destination port, as the message came. */
function noNatsData({ local, remote }: Path): Bytes {
  return concat(remote.address, local.address, new Writer(4).u16(remote.port).u16(local.port).finish())
}
