/**
 * When a session's SAs are rekeyed and when they end, by us (RFC 7296 §2.8: "lifetimes ... are not negotiated"): judged from the agreed
 * context and the configuration alone, so that every owner comes to the same.
 *
 * What is random about a deadline comes from the SA's SPI. What was used is never less than what was really used: after a takeover it is
 * more, for only the ends of grants are known of what was before.
 */

import { mix32 } from '../../kit/hash.ts'
import type { ChildSaContext, IkeSaContext, SessionContext } from '../../context/session-context.ts'
import { localIkeSpi } from '../../context/session-context.ts'
import type { ChildLifetimes, IkeLifetimes, VpnConfiguration } from '../../context/vpn-configuration.ts'
import { noChildLifetimes, noIkeLifetimes } from '../../context/vpn-configuration.ts'
import type { OwnRequest } from '../../ike/own-request.ts'
import { MAX_SEQUENCE_NUMBER } from '../../context/grants.ts'

/** Of a Child SA, in the direction that has more. */
export interface Usage {
  readonly packets: number
  readonly octets: number
  /** How far the present grants reach: what was used is told late, but is never more. */
  readonly granted: number
}

export interface Judgement {
  /** What the newest IKE SA should carry now; null: nothing. */
  readonly request: OwnRequest | null
  /** Wall-clock ms of the next deadline; Infinity: none. */
  readonly nextMs: number
  /** A Child SA with so many packets in a direction may be due before that. */
  readonly packets: number
  /** So long without a word from the client, and it is asked whether it lives; Infinity: never. */
  readonly livenessMs: number
}

/** Sequence numbers must not cycle (RFC 4303 §3.3.3): a Child SA without extended ones is rekeyed when so many are used. */
export const EXHAUSTION = Math.floor(0.75 * MAX_SEQUENCE_NUMBER)
/** The packet core reports once a second. */
const REPORT_MS = 1000
/** Of the liveness delay: whole clusters of sessions that fell silent, or changed hands, at once are asked one after the other. */
const LIVENESS_SPREAD = 1 / 8

/** `isDeferred`: whether the rekeying of the SA that we know by this SPI was refused lately. `packetOctets`: no packet has more. */
export interface Circumstances {
  readonly nowMs: number
  readonly packetOctets: number
  readonly usage: (spiIn: number) => Usage
  readonly isDeferred: (spi: bigint) => boolean
}

export function judge(context: SessionContext, vpn: VpnConfiguration, around: Circumstances): Judgement {
  const connection = vpn.connections.find(({ name }) => name === context.connection)
  const newest = context.ikeSas.at(-1)!
  const due = new Due(around)
  const ike = connection?.lifetimes ?? noIkeLifetimes
  const lifetimes = (child: ChildSaContext): ChildLifetimes =>
    connection?.children.find(({ name }) => name === child.name)?.lifetimes ?? noChildLifetimes
  // While the peer has not deleted what it replaced, the exchange is not over.
  if (context.ikeSas.every(({ deletedAt }, i) => deletedAt !== 0 || i === context.ikeSas.length - 1)) due.ikeRekey(newest, ike)
  due.ikeEnd(newest, ike)
  for (const child of context.children) {
    if (child.state === 'live') due.childRekey(child, lifetimes(child))
    if (child.state !== 'closing') due.childEnd(child, lifetimes(child))
  }
  const { dpdDelay } = ike
  const spread = 1 + LIVENESS_SPREAD * part(lowBits(localIkeSpi(newest)))
  return { ...due.judgement, livenessMs: dpdDelay === 0 ? Infinity : dpdDelay * 1000 * spread }
}

/** From 0 to 1, the same for the same seed. */
function part(seed: number): number {
  return mix32(seed) / 2 ** 32
}

function lowBits(spi: bigint): number {
  return Number(spi & 0xffff_ffffn)
}

/**
 * The first that is due, and when the others will be. Whose life is over, and who might be rekeyed, is: after a takeover, which counts high, or
 * when nobody was there to do it in time.
 */
class Due {
  readonly #around: Circumstances
  #request: OwnRequest | null = null
  #nextMs = Infinity
  #packets = Infinity

  constructor(around: Circumstances) {
    this.#around = around
  }

  get judgement(): Pick<Judgement, 'request' | 'nextMs' | 'packets'> {
    return { request: this.#request, nextMs: this.#nextMs, packets: this.#packets }
  }

  ikeEnd({ establishedAt }: IkeSaContext, { rekeyTime, overTime }: IkeLifetimes): void {
    if (rekeyTime > 0) this.#at(establishedAt + (rekeyTime + overTime) * 1000, { type: 'delete' })
  }

  ikeRekey(sa: IkeSaContext, { rekeyTime, randTime }: IkeLifetimes): void {
    const spi = localIkeSpi(sa)
    if (rekeyTime === 0 || this.#around.isDeferred(spi)) return
    const early = part(lowBits(spi)) * randTime
    this.#at(sa.establishedAt + Math.max(1, rekeyTime - early) * 1000, { type: 'rekey-ike', group: null })
  }

  childEnd({ spiIn, establishedAt }: ChildSaContext, { lifeTime, lifeBytes, lifePackets }: ChildLifetimes): void {
    const request: OwnRequest = { type: 'delete-children', spisIn: [spiIn] }
    if (lifeTime > 0) this.#at(establishedAt + lifeTime * 1000, request)
    this.#used(spiIn, lifePackets, lifeBytes, request)
  }

  childRekey({ spiIn, establishedAt, suite }: ChildSaContext, lifetimes: ChildLifetimes): void {
    if (this.#around.isDeferred(BigInt(spiIn))) return
    const { rekeyTime, randTime, rekeyBytes, randBytes, rekeyPackets, randPackets } = lifetimes
    const request: OwnRequest = { type: 'rekey-child', spiIn, group: null }
    const early = part(spiIn)
    const limit = (soft: number, rand: number): number => (soft === 0 ? 0 : Math.max(1, soft - early * rand))
    if (rekeyTime > 0) this.#at(establishedAt + limit(rekeyTime, randTime) * 1000, request)
    this.#used(spiIn, limit(rekeyPackets, randPackets), limit(rekeyBytes, randBytes), request)
    if (suite.esn === 0) this.#used(spiIn, EXHAUSTION, 0, request)
  }

  #at(ms: number, request: OwnRequest): void {
    if (ms <= this.#around.nowMs) this.#request ??= request
    else this.#nextMs = Math.min(this.#nextMs, ms)
  }

  /** 0: no limit. Octets are looked at again when so many packets, each as long as can be, may have used them up. */
  #used(spiIn: number, packets: number, octets: number, request: OwnRequest): void {
    if (packets === 0 && octets === 0) return
    const usage = this.#around.usage(spiIn)
    const isDue = (packets > 0 && usage.packets >= packets) || (octets > 0 && usage.octets >= octets)
    if (isDue) this.#request ??= request
    if (isDue) return
    if (packets > 0) this.#lookAt(packets, usage)
    if (octets > 0) this.#lookAt(usage.packets + Math.max(1, (octets - usage.octets) / this.#around.packetOctets), usage)
  }

  /** When grants reach so far, or, if they do, when the packet core has told more. */
  #lookAt(packets: number, { granted }: Usage): void {
    if (granted < packets) this.#packets = Math.min(this.#packets, packets)
    else this.#nextMs = Math.min(this.#nextMs, this.#around.nowMs + REPORT_MS)
  }
}
