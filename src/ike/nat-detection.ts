/**
 * NAT detection (RFC 7296 §2.23): SHA-1 of SPIs, address and port as the sender of a message believes them.
 *
 * The gateway's NAT_DETECTION_SOURCE_IP is random octets, which match nothing: so every client believes that a NAT is before us and
 * encapsulates ESP in UDP, the one form that every gateway can take over. Its NAT_DETECTION_DESTINATION_IP is what it saw.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, equalBytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import { Writer } from '../kit/wire.ts'
import type { Endpoint } from '../context/session-context.ts'
import type { Path } from './decision.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { notification } from './wire/payloads.ts'

interface Spis {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
}

/** SHA1(SPIi | SPIr | IP | port). In an IKE_SA_INIT request SPIr is 0. */
export function natDetectionHash(crypto: IkeCrypto, spis: Spis, endpoint: Endpoint): Bytes {
  const head = new Writer(16).u64(spis.initiatorSpi).u64(spis.responderSpi).finish()
  return crypto.sha1(concat(head, endpoint.address, new Writer(2).u16(endpoint.port).finish()))
}

/** The gateway's two notifications. */
export function gatewayNatDetection(env: { crypto: IkeCrypto; random: Random }, spis: Spis, path: Path): Payload[] {
  return [
    notification(notifyType.natDetectionSourceIp, env.random.bytes(20)),
    notification(notifyType.natDetectionDestinationIp, natDetectionHash(env.crypto, spis, path.remote)),
  ]
}

/**
 * Whether none of the peer's NAT_DETECTION_SOURCE_IP is the address that its message came from; false when it sent none. A client that
 * fakes a NAT (strongSwan with kernel-libipsec) can't be told from one that has one.
 */
export function isBehindNat(crypto: IkeCrypto, spis: Spis, remote: Endpoint, payloads: readonly Payload[]): boolean {
  let sent = false
  const seen = natDetectionHash(crypto, spis, remote)
  for (const payload of payloads) {
    if (payload.type !== 'notify' || payload.notify !== notifyType.natDetectionSourceIp) continue
    if (equalBytes(payload.data, seen)) return false
    sent = true
  }
  return sent
}
