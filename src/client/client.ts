/**
 * The built-in VPN client: IKEv2 and ESP in UDP, for the demo, the benches and the simulator. No I/O: datagrams, inner packets and the time
 * come in, effects go out.
 *
 * It behaves as a stock client does: it sends a request again, octet for octet, with strongSwan's waits; it asks an idle gateway whether it
 * lives; and when its tunnel is gone, it authenticates anew. That last thing is what the cluster must never make it do, so it is counted. It
 * counts too, on every ESP datagram and before its own anti-replay window, the sequence numbers that were used twice.
 *
 * NAT detection is honest. The gateway always signals a NAT, so IKE_AUTH and all after it go to the NAT-T port, ESP in UDP (RFC 7296 §2.23,
 * RFC 3948); a gateway that wants bare ESP is refused.
 */

import type { Endpoint, Identity, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { spiOf } from '../esp/packet.ts'
import type { EapCredentials } from '../ike/eap/eap-peer.ts'
import type { Established, InitiatorEvent } from '../ike/initiator.ts'
import { IkeInitiator } from '../ike/initiator.ts'
import type { ClientCertificate, GatewayTrust } from '../ike/initiator-proof.ts'
import type { ClientChild } from '../ike/initiator-rekey.ts'
import { notifyName } from '../ike/wire/notify.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { RetransmissionTimes } from './retransmission.ts'
import { Retransmission, strongSwanTimes } from './retransmission.ts'
import { defaultEspProposals, defaultIkeProposals, everything } from './defaults.ts'
import type { TunnelDrop } from './tunnel.ts'
import { Tunnel } from './tunnel.ts'

/** The gateway's ports: IKE (500), and IKE and ESP behind NAT traversal (4500). */
export type ClientPort = 'ike' | 'nat-t'

export type ClientEvent =
  | { readonly type: 'established'; readonly tunnel: Established; readonly again: boolean }
  /** An attempt failed, or an established tunnel is gone. The client tries again after `retryMs`, unless it was told to close. */
  | { readonly type: 'failed'; readonly problem: string; readonly wasEstablished: boolean }
  /** A CREATE_CHILD_SA was granted: a Child SA that replaces another or is a further one, or the IKE SA's successor. */
  | { readonly type: 'rekeyed'; readonly what: Rekeying }
  /** The gateway has confirmed the DELETE of what a rekeying took the place of. */
  | { readonly type: 'replaced'; readonly what: Rekeying }
  /** The gateway has made a successor of a Child SA or of the IKE SA, and deletes the old one when it has our answer. */
  | { readonly type: 'offered'; readonly what: Rekeying }
  /** A rekeying of ours met one of the gateway's and lost: that one's successor stays. */
  | { readonly type: 'outdone'; readonly what: Rekeying }
  /** A CREATE_CHILD_SA was refused with this notification (null: the answer was not acceptable); all stays as it was. */
  | { readonly type: 'refused'; readonly what: Rekeying; readonly notify: number | null }
  /** The gateway has followed us to where we said that we are (`notify`: it has not, and why). */
  | { readonly type: 'moved'; readonly notify: number | null }
  /** Closed as asked: the gateway has confirmed the DELETE, or did not answer it. */
  | { readonly type: 'closed' }

/** What a CREATE_CHILD_SA is for. */
export type Rekeying = 'child' | 'child-rekey' | 'ike-rekey'

export interface ClientEffects {
  /** To the gateway's `port`; with the non-ESP marker where it belongs. */
  send(port: ClientPort, datagram: Bytes): void
  /** An inner packet from the tunnel; a view into the datagram that it came in. */
  deliver(packet: Bytes): void
  event(event: ClientEvent): void
}

export interface ClientOptions {
  readonly crypto: IkeCrypto
  readonly espCrypto: EspCrypto
  readonly random: Random
  readonly identity: Identity
  /** Null: any gateway that knows the secret. */
  readonly remoteIdentity: Identity | null
  readonly secret: Bytes
  /** As `InitiatorOptions` has them: in place of the secret. */
  readonly certificate?: ClientCertificate | null
  readonly trust?: GatewayTrust | null
  /** Logs in by EAP-MSCHAPv2; certificates and secret are the gateway's proof then. */
  readonly eap?: EapCredentials
  /** Where our datagrams come from, and the gateway's two endpoints: for NAT detection. */
  readonly local: Endpoint
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly ikeProposals?: readonly IkeProposal[]
  readonly espProposals?: readonly EspProposal[]
  /** The traffic wanted behind the gateway; without: all of IPv4. */
  readonly remoteTs?: readonly TrafficSelector[]
  readonly ipv6?: boolean
  /** The longest IKE message that leaves in one datagram, in octets (RFC 7383). */
  readonly fragmentOctets?: number
  /** Whether to ask for MOBIKE, so that the client may `move`. */
  readonly mobike?: boolean
  readonly retransmission?: RetransmissionTimes
  /** A liveness check after so long without anything from the gateway (RFC 7296 §2.4); 0: never. */
  readonly dpdMs?: number
  /** False: other sessions of this identity may be up, and stay. */
  readonly initialContact?: boolean
  /** From a failure to the next attempt; null: none. */
  readonly retryMs?: number | null
  readonly effects: ClientEffects
}

/** Since the client was made, over all its tunnels. */
export interface ClientCounters {
  /** Inner packets that left as ESP, and inner packets delivered. */
  sent: number
  received: number
  /** New IKE_SA_INITs after a tunnel had been up. */
  reAuthentications: number
  /** ESP datagrams whose number had been seen before for their SPI. */
  sequenceNumbersReused: number
  /** Requests sent again. */
  retransmissions: number
  readonly drops: Partial<Record<ClientDrop, number>>
}

export type ClientDrop = TunnelDrop | 'datagram-short' | 'nat-keepalive' | 'esp-unknown-spi'

const NON_ESP_MARKER_OCTETS = 4
/** SPIs 1 to 255 are reserved (RFC 4303 §2.1). */
const FIRST_SPI = 256
const DEFAULT_RETRY_MS = 1000
/** So long a Child SA that was replaced goes on receiving what is on its way, as with strongSwan. */
const REPLACED_MS = 5000

export class Client {
  readonly counters: ClientCounters = {
    sent: 0,
    received: 0,
    reAuthentications: 0,
    sequenceNumbersReused: 0,
    retransmissions: 0,
    drops: {},
  }
  readonly #options: ClientOptions
  readonly #retransmission: Retransmission
  #ike: IkeInitiator | null = null
  /** What the session was established with; null while there is none. */
  #established: Established | null = null
  /** The Child SAs, the newest last: that one sends. */
  #tunnels: Tunnel[] = []
  #wasEstablished = false
  /** `wanted`: the DELETE waits for its turn. */
  #closing: 'no' | 'wanted' | 'done' = 'no'
  #retryAtMs = Infinity
  /** The last time that anything authentic came from the gateway. */
  #heardAtMs = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#retransmission = new Retransmission(options.retransmission ?? strongSwanTimes)
  }

  /** The tunnel that is up, with its addresses and the SPIs that it began with; null while there is none. */
  get tunnel(): Established | null {
    return this.#established
  }

  /** The Child SAs that receive, the newest last: that one sends. */
  get children(): readonly ClientChild[] {
    return this.#tunnels.map(({ sa }) => sa)
  }

  /** The request that is unanswered, as its first datagram without non-ESP marker; null when there is none. */
  get pending(): Bytes | null {
    return this.#ike?.pending ?? null
  }

  /** Begins, or begins anew, with IKE_SA_INIT. */
  start(nowMs: number): void {
    const { certificate = null, trust = null, eap } = this.#options
    const { crypto, random, identity, remoteIdentity, secret, local, gateway, ikeProposals, espProposals, remoteTs, ipv6 } = this.#options
    const { fragmentOctets, mobike = false } = this.#options
    if (this.#wasEstablished) this.counters.reAuthentications += 1
    this.#retryAtMs = Infinity
    this.#forget()
    this.#ike = new IkeInitiator({
      crypto,
      random,
      identity,
      remoteIdentity,
      secret,
      certificate,
      trust,
      eap,
      ikeProposals: ikeProposals ?? defaultIkeProposals,
      espProposals: espProposals ?? defaultEspProposals,
      remoteTs: remoteTs ?? everything,
      ipv6: ipv6 ?? false,
      local,
      remote: gateway.ike,
      spiIn: this.#newSpi(),
      initialContact: this.#options.initialContact ?? true,
      mobike,
      ...(fragmentOctets === undefined ? {} : { fragmentOctets }),
    })
    this.#sendIke(this.#ike.start())
    this.#retransmission.track(this.#ike.pending, nowMs)
  }

  /** A datagram from the gateway's `port`. It is the client's to keep: ESP is decrypted in place. */
  datagram(datagram: Bytes, port: ClientPort, nowMs: number): void {
    if (port === 'ike') return this.#handleIke(datagram, port, nowMs)
    if (datagram.length === 1) return this.#drop('nat-keepalive')
    if (datagram.length < ESP_HEADER_OCTETS) return this.#drop('datagram-short')
    if (spiOf(datagram) === 0) this.#handleIke(datagram.subarray(NON_ESP_MARKER_OCTETS), port, nowMs)
    else this.#handleEsp(datagram, nowMs)
  }

  /** Sends an inner packet through the tunnel; false when there is none, or its sequence numbers are used up. */
  sendInner(packet: Bytes): boolean {
    const sealed = this.#tunnels.at(-1)?.seal(packet) ?? null
    if (sealed === null) return false
    this.counters.sent += 1
    this.#options.effects.send('nat-t', sealed)
    return true
  }

  /** Leaves sequence numbers of the Child SA that sends out: the next one is `next`. */
  skipTo(next: number): void {
    this.#tunnels.at(-1)?.skipTo(next)
  }

  /** What time brings about: retransmissions, liveness checks, the next attempt. Call it often compared with the waits. */
  tick(nowMs: number): void {
    if (nowMs >= this.#retryAtMs) return this.start(nowMs)
    if (this.#tunnels.length > 1) this.#tunnels = this.#tunnels.filter(({ endsAtMs }) => endsAtMs > nowMs)
    const pending = this.#ike?.pending ?? null
    if (pending !== null) this.#checkPending(pending, nowMs)
    else if (this.#established !== null && this.#isQuiet(nowMs)) this.checkLiveness(nowMs)
  }

  /**
   * Starts a CREATE_CHILD_SA: a Child SA in place of the one that sends, a further one, or a successor of the IKE SA. `groups`: key exchange
   * methods for a Child SA of its own (PFS), the first is tried first; empty: without. False: a request is unanswered or no tunnel is up.
   */
  rekey(what: Rekeying, nowMs: number, groups: readonly number[] = []): boolean {
    const ike = this.#ike
    const newest = this.#tunnels.at(-1)
    if (ike === null || newest === undefined || this.#closing !== 'no') return false
    const child = { spiIn: this.#newSpi(), groups }
    const datagram =
      what === 'ike-rekey' ? ike.rekeyIke() : what === 'child' ? ike.createChild(child) : ike.rekeyChild(newest.sa.spiIn, child)
    this.#request(datagram, nowMs)
    return datagram !== null
  }

  /** Tells the gateway that we are at `local` now (MOBIKE); `moved` follows. False: a request is unanswered, no tunnel is up, or without MOBIKE. */
  move(local: Endpoint, nowMs: number): boolean {
    const datagram = this.#ike?.move({ local, remote: this.#options.gateway.natT }) ?? null
    this.#request(datagram, nowMs)
    return datagram !== null
  }

  /** Asks the gateway whether it lives. False: a request is unanswered, or no tunnel is up. */
  checkLiveness(nowMs: number): boolean {
    const datagram = this.#ike?.checkLiveness() ?? null
    this.#request(datagram, nowMs)
    return datagram !== null
  }

  /** Tells the gateway (IKE DELETE) and ends; `closed` follows. Without a tunnel it ends at once. */
  close(nowMs: number): void {
    if (this.#closing !== 'no') return
    this.#closing = 'wanted'
    this.#retryAtMs = Infinity
    if (this.#established === null) this.#closed()
    else this.#sendDelete(nowMs)
  }

  #checkPending(pending: Bytes, nowMs: number): void {
    const due = this.#retransmission.check(nowMs)
    if (due === 'give-up') return this.#end('the gateway does not answer', nowMs)
    if (due === 'wait') return
    this.counters.retransmissions += 1
    this.#sendIke(pending)
  }

  /** For so long that it is to be asked. */
  #isQuiet(nowMs: number): boolean {
    const { dpdMs = 0 } = this.#options
    return dpdMs > 0 && nowMs - this.#heardAtMs >= dpdMs
  }

  #sendDelete(nowMs: number): void {
    if (this.#ike?.pending === null) this.#request(this.#ike.close(), nowMs)
  }

  #request(datagram: Bytes | null, nowMs: number): void {
    if (datagram === null) return
    this.#sendIke(datagram)
    this.#retransmission.track(datagram, nowMs)
  }

  /** "the initiator … MUST … send all subsequent traffic to and from UDP port 4500" (§2.23), from IKE_AUTH on. `first`: of the message's datagrams. */
  #sendIke(first: Bytes, port: ClientPort = this.#ike?.phase === 'init' ? 'ike' : 'nat-t'): void {
    for (const datagram of this.#ike?.datagramsOf(first) ?? [first]) this.#sendDatagram(datagram, port)
  }

  #sendDatagram(datagram: Bytes, port: ClientPort): void {
    const { effects } = this.#options
    if (port === 'ike') return effects.send('ike', datagram)
    const marked = new Uint8Array(NON_ESP_MARKER_OCTETS + datagram.length)
    marked.set(datagram, NON_ESP_MARKER_OCTETS)
    effects.send('nat-t', marked)
  }

  #handleIke(datagram: Bytes, port: ClientPort, nowMs: number): void {
    const ike = this.#ike
    if (ike === null) return
    const before = ike.pending
    const { send, event } = ike.handle(datagram)
    if (send !== null || event !== null || before !== ike.pending) this.#heardAtMs = nowMs
    const isRequest = send === ike.pending
    // First what happened: a new Child SA receives before the DELETE of the old one goes out.
    if (event !== null) this.#happened(event, nowMs)
    // An answer to the gateway's own request goes back where that came from; a request of ours goes where requests go.
    if (send !== null) this.#sendIke(send, isRequest ? undefined : port)
    // What was asked under an IKE SA that the gateway has ended is asked again under its successor.
    if (!isRequest && ike.pending !== null && ike.pending !== before) this.#sendIke(ike.pending)
    this.#retransmission.track(ike.pending, nowMs)
    if (this.#closing === 'wanted' && this.#established !== null) this.#sendDelete(nowMs)
  }

  #happened(event: InitiatorEvent, nowMs: number): void {
    switch (event.type) {
      case 'established':
        return this.#open(event.tunnel, nowMs)
      case 'failed':
        return this.#end(event.notify === null ? event.problem : `${event.problem}: ${notifyName(event.notify)}`, nowMs)
      case 'child-created':
        return this.#childCreated(event.child, event.replaces, nowMs)
      case 'ike-rekeyed':
        return this.#options.effects.event({ type: 'rekeyed', what: 'ike-rekey' })
      case 'refused':
        return this.#options.effects.event({ type: 'refused', what: event.what, notify: event.notify })
      case 'child-deleted':
        return this.#childDeleted(event.spisIn, nowMs)
      case 'child-offered':
        return this.#childOffered(event.child, event.replaces)
      case 'ike-offered':
        return this.#options.effects.event({ type: 'offered', what: 'ike-rekey' })
      case 'outdone':
        return this.#options.effects.event({ type: 'outdone', what: event.what })
      case 'closed':
        return this.#end('the gateway deleted the IKE SA', nowMs)
      case 'child-replaced':
        return this.#options.effects.event({ type: 'replaced', what: 'child-rekey' })
      case 'ike-replaced':
        return this.#options.effects.event({ type: 'replaced', what: 'ike-rekey' })
      case 'moved':
      case 'not-moved':
        return this.#options.effects.event({ type: 'moved', notify: event.type === 'moved' ? null : event.notify })
      case 'alive':
        return
    }
  }

  #open(sa: Established, nowMs: number): void {
    if (!sa.encapsulate) return this.#end('the gateway wants ESP without UDP', nowMs)
    this.#established = sa
    this.#tunnels = [new Tunnel(this.#options.espCrypto, sa)]
    const again = this.#wasEstablished
    this.#wasEstablished = true
    this.#options.effects.event({ type: 'established', tunnel: sa, again })
  }

  #childCreated(child: ClientChild, replaces: number | null, nowMs: number): void {
    for (const tunnel of this.#tunnels) if (tunnel.sa.spiIn === replaces) tunnel.endsAtMs = nowMs + REPLACED_MS
    this.#tunnels.push(new Tunnel(this.#options.espCrypto, child))
    this.#options.effects.event({ type: 'rekeyed', what: replaces === null ? 'child' : 'child-rekey' })
  }

  /** As a stock client does, we send by the old one until the gateway deletes it: before that in the row, the new one does not send. */
  #childOffered(child: ClientChild, replaces: number): void {
    const old = this.#tunnels.findIndex(({ sa }) => sa.spiIn === replaces)
    this.#tunnels.splice(Math.max(0, old), 0, new Tunnel(this.#options.espCrypto, child))
    this.#options.effects.event({ type: 'offered', what: 'child-rekey' })
  }

  /** Without any Child SA that sends the session is of no use. */
  #childDeleted(spisIn: readonly number[], nowMs: number): void {
    this.#tunnels = this.#tunnels.filter(({ sa }) => !spisIn.includes(sa.spiIn))
    if (this.#tunnels.every(({ endsAtMs }) => endsAtMs !== Infinity)) this.#end('the gateway deleted the Child SA', nowMs)
  }

  #newSpi(): number {
    return Math.max(FIRST_SPI, this.#options.random.uint32())
  }

  #forget(): void {
    this.#established = null
    this.#tunnels = []
  }

  /** The attempt or the tunnel is over. */
  #end(problem: string, nowMs: number): void {
    const wasEstablished = this.#established !== null
    // What answers the gateway's repeated DELETE stays until the next attempt.
    this.#forget()
    this.#retransmission.track(null, nowMs)
    if (this.#closing !== 'no') return this.#closed()
    const { retryMs = DEFAULT_RETRY_MS, effects } = this.#options
    if (this.#ike?.pending !== null) this.#ike = null
    if (retryMs !== null) this.#retryAtMs = nowMs + retryMs
    effects.event({ type: 'failed', problem, wasEstablished })
  }

  #closed(): void {
    if (this.#closing === 'done') return
    this.#closing = 'done'
    this.#forget()
    this.#ike = null
    this.#options.effects.event({ type: 'closed' })
  }

  #handleEsp(packet: Bytes, nowMs: number): void {
    const spi = spiOf(packet)
    const tunnel = this.#tunnels.find(({ sa }) => sa.spiIn === spi)
    if (tunnel === undefined) return this.#drop('esp-unknown-spi')
    if (tunnel.see(packet)) this.counters.sequenceNumbersReused += 1
    const inner = tunnel.open(packet)
    if (typeof inner === 'string') return this.#drop(inner)
    this.#heardAtMs = nowMs
    this.counters.received += 1
    this.#options.effects.deliver(inner)
  }

  #drop(reason: ClientDrop): void {
    const { drops } = this.counters
    drops[reason] = (drops[reason] ?? 0) + 1
  }
}
