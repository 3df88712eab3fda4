/** Why the packet core drops packets: the names of its counters. */

import type { EspDrop } from '../../esp/packet.ts'
import type { PolicyDrop } from './inner-policy.ts'

export const coreDrops = {
  'nat-keepalive': 'a NAT keepalive (RFC 3948 §2.3): it has done its work',
  'outer-short': 'a datagram too short for an SPI or a marker',
  'ike-short': 'a datagram too short for an IKE header',
  'ike-flood': 'more IKE datagrams than the control core is asked to look at',
  'ike-init-flood': 'more IKE_SA_INIT datagrams than that',
  'ike-forwarded-flood': 'more IKE datagrams that other gateways sent on than that',
  'esp-short': 'a datagram too short for ESP',
  'not-serving': 'the serving lease has run out, or there is no incarnation yet',
  'unknown-route': 'an SPI or inner destination that no session has',
  'parked-full': 'too many packets wait for a route',
  'parked-expired': 'no route came in time',
  'mesh-malformed': 'a mesh message that does not decode',
  'mesh-hops': 'a packet that was forwarded too often',
  'reply-source': "another gateway's datagram to a client, from what is none of the cluster's endpoints",
  'esp-sequence': 'sequence number 0',
  'esp-replay': 'a sequence number below the floor or the window, or seen before',
  'esp-icv': 'a packet that is not authentic',
  'horizon-full': 'too many packets wait for a horizon',
  'horizon-expired': 'the horizon was not raised in time',
  'ceiling-full': 'too many packets wait for a ceiling',
  'ceiling-expired': 'the ceiling was not raised in time',
  'held-full': 'too many packets wait for a transfer to end',
  'held-expired': 'a transfer did not end in time',
  'session-ended': 'a packet that waited when its session ended',
  'inner-unselected': 'a packet of the trusted side outside the selectors of its session',
  'inner-too-big': 'a packet of the trusted side that does not fit the tunnel and may not be fragmented',
} as const

export type DropReason = keyof typeof coreDrops | EspDrop | PolicyDrop

/** Counts of one life of the packet core. */
export class DropCounters {
  readonly #counts = new Map<DropReason, number>()

  count(reason: DropReason, packets = 1): void {
    if (packets > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + packets)
  }

  get(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
