/**
 * The anchor `vip`: the gateway that the log names as holder makes neighbours send the cluster's addresses to its own link-layer address.
 *
 * The addresses are on the loopback interface of every gateway and no kernel answers for them (vip-host.ts); the holder's *process*
 * does, through packet sockets. So the claim ends or freezes with the process. On a claim it announces itself at once, again soon (the first may be
 * lost, and neighbours then keep the former holder for half a minute), and then every second (whoever claimed by mistake is overruled).
 *
 * Who else claims an address of ours is answered by an announcement at once: the last word is the holder's. It may be a holder that was
 * frozen for less than its lease, and has not heard yet that it holds nothing any more.
 *
 * Two holders for a while do no harm beyond detours: any gateway takes any session's packets. Still nothing is sent without a valid serving lease,
 * checked before each frame, and questions that waited while the process was frozen are not answered: the new holder has answered them.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes, toHex } from '../kit/bytes.ts'
import type { Drops } from './drops.ts'
import type { NeighbourClaim, NeighbourQuestion } from './neighbour-frames.ts'
import {
  arpAnnouncements,
  arpReply,
  groupMac,
  neighbourAnnouncement,
  neighbourReply,
  parseArpClaim,
  parseArpRequest,
  parseNeighbourAdvertisement,
  parseNeighbourSolicitation,
  solicitedNodeGroup,
} from './neighbour-frames.ts'
import type { Watch } from './poller.ts'
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV6,
  closeDescriptor,
  interfaceIndex,
  interfaceLinkLayerAddress,
  joinLinkLayerGroup,
  lastFrameTimeMs,
  openIpv6Membership,
  openPacketSocket,
  receiveFrame,
  sendFrame,
} from './syscalls.ts'

/** When announcements follow one another after a claim; the last is the distance of all later ones. */
const ANNOUNCEMENT_GAPS_MS = [100, 400, 500, 1000]
/** Contested claims are answered so often at most: two holders would answer each other as fast as they can. */
const CONTEST_GAP_MS = ANNOUNCEMENT_GAPS_MS[0]!
/** A question that is older was asked while we were stopped. */
const MAX_QUESTION_AGE_MS = 200
/** Questions are bounded: what is left wakes the poller again. */
const FRAMES_A_WAKE = 256
/** Enough of a frame for a question: Ethernet, IPv6 and a solicitation with its options. */
const FRAME_OCTETS = 1600

export interface VipAnnouncerOptions {
  readonly interfaces: readonly { readonly name: string; readonly addresses: readonly Bytes[] }[]
  readonly poller: Watch
  readonly drops: Drops
  /** Whether the serving lease is valid now. */
  isServing(): boolean
  /** For tests; default: ANNOUNCEMENT_GAPS_MS. */
  readonly announcementGapsMs?: readonly number[]
}

interface Anchor {
  readonly mac: Bytes
  readonly addresses: readonly Bytes[]
  /** Null where the interface has no address of the family. */
  readonly arp: number | null
  readonly ipv6: number | null
  /** Sockets that only keep a membership. */
  readonly memberships: readonly number[]
}

/** How one family's frames are read. */
interface Reading {
  readonly question: (frame: Bytes) => NeighbourQuestion | null
  readonly claim: (frame: Bytes) => NeighbourClaim | null
}

const arpReading: Reading = { question: parseArpRequest, claim: parseArpClaim }
const ipv6Reading: Reading = { question: parseNeighbourSolicitation, claim: parseNeighbourAdvertisement }

export class VipAnnouncer {
  readonly #options: VipAnnouncerOptions
  readonly #anchors: Anchor[] = []
  readonly #buffer = new Uint8Array(FRAME_OCTETS)
  #claimed: ReadonlySet<string> = new Set()
  #timer: NodeJS.Timeout | null = null
  readonly #gapsMs: readonly number[]
  /** Monotonic ms. */
  #contestedAtMs = -Infinity

  /** Opens the packet sockets. Throws a SystemCallError: EPERM without CAP_NET_RAW, ENODEV for an interface that isn't there. */
  constructor(options: VipAnnouncerOptions) {
    this.#options = options
    this.#gapsMs = options.announcementGapsMs ?? ANNOUNCEMENT_GAPS_MS
    try {
      for (const { name, addresses } of options.interfaces) this.#anchors.push(this.#open(name, addresses))
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** From now on these addresses are ours (replacing what was claimed before). Those that no interface has are ignored. */
  claim(addresses: readonly Bytes[]): void {
    this.release()
    this.#claimed = new Set(addresses.map(toHex))
    this.#announceRepeatedly(0)
  }

  release(): void {
    this.#claimed = new Set()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  close(): void {
    this.release()
    for (const anchor of this.#anchors) {
      for (const fd of [anchor.arp, anchor.ipv6]) if (fd !== null) this.#options.poller.remove(fd)
      for (const fd of [anchor.arp, anchor.ipv6, ...anchor.memberships]) if (fd !== null) closeDescriptor(fd)
    }
    this.#anchors.length = 0
  }

  #announceRepeatedly(count: number): void {
    this.#announce()
    const gapMs = this.#gapsMs[Math.min(count, this.#gapsMs.length - 1)]!
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#announceRepeatedly(count + 1), gapMs)
  }

  #announce(): void {
    for (const anchor of this.#anchors) {
      for (const address of anchor.addresses) {
        const v4 = address.length === 4
        const frames = v4 ? arpAnnouncements(anchor.mac, address) : [neighbourAnnouncement(anchor.mac, address)]
        for (const frame of frames) this.#send(v4 ? anchor.arp : anchor.ipv6, address, frame)
      }
    }
  }

  #drain(fd: number, anchor: Anchor, { question, claim }: Reading): void {
    for (let i = 0; i < FRAMES_A_WAKE; i++) {
      const length = receiveFrame(fd, this.#buffer)
      if (length < 0) return
      const frame = this.#buffer.subarray(0, length)
      const asked = question(frame)
      if (asked !== null && anchor.addresses.some((address) => equalBytes(address, asked.target))) this.#answer(fd, anchor, asked)
      const claimed = claim(frame)
      if (claimed !== null && !equalBytes(claimed.mac, anchor.mac) && this.#claimed.has(toHex(claimed.address))) this.#contest()
    }
  }

  /** A contest that comes too soon after another is answered by what follows on that one. */
  #contest(): void {
    this.#options.drops.count('vip-contested')
    const nowMs = performance.now()
    if (nowMs - this.#contestedAtMs < CONTEST_GAP_MS) return
    this.#contestedAtMs = nowMs
    this.#announceRepeatedly(0)
  }

  #answer(fd: number, anchor: Anchor, question: NeighbourQuestion): void {
    const ageMs = Date.now() - lastFrameTimeMs(fd)
    if (ageMs > MAX_QUESTION_AGE_MS) {
      this.#options.drops.count('vip-late-question')
      return
    }
    const answer = question.target.length === 4 ? arpReply : neighbourReply
    this.#send(fd, question.target, answer(anchor.mac, question))
  }

  /** The last look at claim and lease is here, right before the frame leaves. */
  #send(fd: number | null, address: Bytes, frame: Bytes): void {
    if (fd === null || !this.#claimed.has(toHex(address))) return
    if (!this.#options.isServing()) {
      this.#options.drops.count('vip-not-serving')
      return
    }
    // ENOBUFS: a filter that ends the claim by itself dropped it; ENETDOWN: the cable is out. The next announcement may pass.
    if (sendFrame(fd, frame) !== 0) this.#options.drops.count('vip-send-failed')
  }

  #open(name: string, addresses: readonly Bytes[]): Anchor {
    const index = interfaceIndex(name)
    const opened: number[] = []
    const open = (fd: number): number => {
      opened.push(fd)
      return fd
    }
    try {
      const v6 = addresses.filter((address) => address.length === 16)
      const arp = addresses.length > v6.length ? open(openPacketSocket(index, ETHERTYPE_ARP)) : null
      const ipv6 = v6.length > 0 ? open(openPacketSocket(index, ETHERTYPE_IPV6)) : null
      const groups = v6.map(solicitedNodeGroup)
      if (ipv6 !== null) for (const group of groups) joinLinkLayerGroup(ipv6, index, groupMac(group))
      const memberships = groups.map((group) => open(openIpv6Membership(index, group)))
      const anchor = { mac: interfaceLinkLayerAddress(name), addresses, arp, ipv6, memberships }
      this.#watch(anchor)
      return anchor
    } catch (error) {
      opened.forEach(closeDescriptor)
      throw error
    }
  }

  #watch(anchor: Anchor): void {
    const { arp, ipv6 } = anchor
    if (arp !== null) this.#options.poller.add(arp, () => this.#drain(arp, anchor, arpReading))
    if (ipv6 !== null) this.#options.poller.add(ipv6, () => this.#drain(ipv6, anchor, ipv6Reading))
  }
}
