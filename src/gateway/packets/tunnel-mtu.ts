/**
 * Packets of the trusted side that are larger than the tunnel carries (RFC 4301 §8.2.1): fragmented where that is allowed; else discarded,
 * and their sender told, a few a second.
 *
 * The tunnel's MTU is meant for IPv4 outside. To a client that is reached over IPv6 it is smaller by what the outer header is longer.
 */

import { fragment } from '../../esp/fragments.ts'
import { clampMss } from '../../esp/tcp-mss.ts'
import { mayFragment, tooBig } from '../../esp/too-big.ts'
import type { Endpoint } from '../../context/session-context.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { lengthOf } from '../../esp/ip-packet-layout.ts'
import { TokenBucket } from './token-bucket.ts'

/** "Every link must have an MTU of 1280 octets or greater" (RFC 8200 §5). A tunnel of less leaves it to the fragments of its outer datagrams. */
const LEAST_IPV6 = 1280
/** IPv6's header is so much longer than IPv4's. */
const OUTER_IPV6_OCTETS = 20
/** RFC 4443 §2.4 f: "MUST limit the rate"; a sender needs one, and a lost one costs it a retransmission. */
const ERRORS_PER_SECOND = 100
const ERRORS_BURST = 20

export class TunnelMtu {
  readonly #mtu: number
  readonly #sources: readonly Bytes[]
  readonly #bucket = new TokenBucket(ERRORS_PER_SECOND, ERRORS_BURST)

  /** `sources`: addresses of the gateway on the trusted side, which errors come from. */
  constructor(mtu: number, sources: readonly Bytes[]) {
    this.#mtu = mtu
    this.#sources = sources
  }

  /** A well-formed packet without what may follow its own length. */
  trimmed(packet: Bytes): Bytes {
    return packet.subarray(0, lengthOf(packet))
  }

  // `client`: where the tunnel ends.

  /** Whether a well-formed packet fits as it is. */
  fits(packet: Bytes, client: Endpoint): boolean {
    return packet.length <= this.#of(packet, client)
  }

  /** Lowers a SYN's maximum segment size to what fits, either way. */
  clamp(packet: Bytes, client: Endpoint): void {
    clampMss(packet, this.#of(packet, client))
  }

  /** What a packet that doesn't fit becomes: fragments that do; or null, and it is to be dropped. */
  fragments(packet: Bytes, client: Endpoint): Bytes[] | null {
    return mayFragment(packet) ? fragment(packet, this.#of(packet, client)) : null
  }

  /** What the sender of a packet that was dropped is told; null: nothing, or nothing more now, or nobody to tell it from. */
  error(packet: Bytes, client: Endpoint, nowMs: number): Bytes | null {
    const octets = packet[0]! >> 4 === 4 ? 4 : 16
    const source = this.#sources.find((address) => address.length === octets)
    if (source === undefined || !this.#bucket.take(nowMs)) return null
    return tooBig(packet, this.#of(packet, client), source)
  }

  #of(packet: Bytes, client: Endpoint): number {
    const mtu = client.address.length === 4 ? this.#mtu : this.#mtu - OUTER_IPV6_OCTETS
    return packet[0]! >> 4 === 6 ? Math.max(mtu, LEAST_IPV6) : mtu
  }
}
