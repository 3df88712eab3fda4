/**
 * One gateway as the generator sees it: a socket in the clients' namespace, from which all sessions speak, and one in the inner host's. The
 * sessions are built-in clients, connected by IKE; how packets are sealed and opened is theirs.
 */

import { CLIENT_ADDRESS, CLUSTER_ADDRESS, INNER_HOST } from '../../chaos/lab/network.ts'
import { GATEWAY_ID, PRE_SHARED_KEY } from '../../chaos/lab/strongswan.ts'
import { Client } from '../../src/client/client.ts'
import { parseAddress } from '../../src/context/address.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { copyOf, dataView, equalBytes, toUtf8 } from '../../src/kit/bytes.ts'
import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import { sendDatagram, socketAddress } from '../../src/network/syscalls.ts'
import type { Direction, SideSetup } from './messages.ts'
import { openSocketIn } from './namespaces.ts'
import type { Packet, Way } from './rounds.ts'
import { drain } from './rounds.ts'
import type { BenchSuite } from './suites.ts'

const CLIENT_PORT = 7000
const HOST_PORT = 7777
const UDP_IP_OCTETS = 28
const NON_ESP_MARKER_OCTETS = 4
const ANSWER_MS = 10_000
const AGAIN_MS = 200

const clientAddress = parseAddress(CLIENT_ADDRESS)!
const hostAddress = parseAddress(INNER_HOST)!
const address = parseAddress(CLUSTER_ADDRESS)!
const gateway = { ike: { address, port: 500 }, natT: { address, port: 4500 } }
const ports = { ike: socketAddress(gateway.ike), 'nat-t': socketAddress(gateway.natT) }
const clientEnd = socketAddress({ address: clientAddress, port: CLIENT_PORT })
const hostEnd = socketAddress({ address: hostAddress, port: HOST_PORT })
const random = systemRandom()
/** The generator's own work is to be small. */
const espCrypto = createEvpEspCrypto(random)

export class Side {
  readonly setup: SideSetup
  readonly #clients: number
  readonly #host: number
  readonly #byInitiatorSpi = new Map<bigint, Session>()
  #made = 0

  constructor(setup: SideSetup) {
    this.setup = setup
    this.#clients = openSocketIn(setup.clientNamespace, { address: clientAddress, port: CLIENT_PORT })
    this.#host = openSocketIn(setup.hostNamespace, { address: hostAddress, port: HOST_PORT })
  }

  /** Sockets of the two ends, in this direction. */
  way(direction: Direction): Way {
    return direction === 'from client' ? { source: this.#clients, sink: this.#host } : { source: this.#host, sink: this.#clients }
  }

  /** One after the other: who is half-open waits for nobody. Each has carried a packet both ways, octet for octet. */
  connect(suite: BenchSuite, count: number): Session[] {
    return Array.from({ length: count }, () => {
      const session = new Session(suite, `user${this.#made++}@example.org`, this.#clients)
      session.client.start(monotonicMs())
      this.#wait(this.#listening(session), () => session.isUp, `an answer to a client that wants ${suite.name}`)
      this.#byInitiatorSpi.set(session.initiatorSpi, session)
      this.#check(session)
      return session
    })
  }

  /** What the gateway asks of its clients meanwhile, such as whether they live, is answered. */
  attend(): void {
    const nowMs = monotonicMs()
    drain(this.#clients, (datagram, port) => {
      if (port !== gateway.natT.port || datagram.length < 12 || dataView(datagram).getUint32(0) !== 0) return
      const session = this.#byInitiatorSpi.get(dataView(datagram).getBigUint64(NON_ESP_MARKER_OCTETS))
      session?.client.datagram(copyOf(datagram), 'nat-t', nowMs)
    })
  }

  /** Sent again now and then: what comes while a gateway is setting a session up may be lost. */
  #check(session: Session): void {
    const payload = random.bytes(100)
    let arrived = false
    const look = (): void => drain(this.#host, (datagram) => (arrived ||= equalBytes(datagram, payload)))
    const send = (): void => void sendDatagram(this.#clients, session.seal(payload), ports['nat-t'])
    this.#wait(again(send, look), () => arrived, 'a packet from a client')
    const sendBack = (): void => void sendDatagram(this.#host, payload, session.inner)
    const isDelivered = (): boolean => session.delivered !== null && equalBytes(session.delivered, payload)
    this.#wait(again(sendBack, this.#listening(session)), isDelivered, 'a packet to a client')
  }

  /** Hands the client what came for it. */
  #listening({ client }: Session): () => void {
    return () => {
      drain(this.#clients, (datagram, port) =>
        client.datagram(copyOf(datagram), port === gateway.ike.port ? 'ike' : 'nat-t', monotonicMs()),
      )
      client.tick(monotonicMs())
    }
  }

  #wait(step: () => void, isDone: () => boolean, what: string): void {
    const limitMs = monotonicMs() + ANSWER_MS
    while (!isDone()) {
      if (monotonicMs() > limitMs) throw new Error(`${this.setup.name}: waited ${ANSWER_MS} ms in vain for ${what}`)
      step()
    }
  }
}

/** `look`, and from time to time `send` before. */
function again(send: () => void, look: () => void): () => void {
  let dueMs = -Infinity
  return () => {
    if (monotonicMs() >= dueMs) {
      send()
      dueMs = monotonicMs() + AGAIN_MS
    }
    look()
  }
}

export class Session {
  readonly client: Client
  /** The payload of the last inner packet that was right. */
  delivered: Bytes | null = null
  #sealed: Bytes | null = null
  #inner: Bytes | null = null

  constructor({ proposal }: BenchSuite, identity: string, fd: number) {
    this.client = new Client({
      crypto: nodeIkeCrypto,
      espCrypto,
      random,
      identity: parseIdentity(identity),
      remoteIdentity: parseIdentity(GATEWAY_ID),
      secret: toUtf8(PRE_SHARED_KEY),
      local: { address: clientAddress, port: CLIENT_PORT },
      gateway,
      espProposals: [proposal],
      retryMs: null,
      effects: {
        send: (port, datagram) => {
          if (port === 'nat-t' && dataView(datagram).getUint32(0) !== 0) this.#sealed = datagram
          else sendDatagram(fd, datagram, ports[port])
        },
        deliver: (packet) => (this.delivered = parseUdpPacket(packet)?.payload ?? null),
        event: (event) => {
          if (event.type === 'failed') throw new Error(`${identity}: ${event.problem}`)
        },
      },
    })
  }

  get isUp(): boolean {
    return this.client.tunnel !== null
  }

  get initiatorSpi(): bigint {
    return this.client.tunnel!.initiatorSpi
  }

  get #address(): Bytes {
    return this.client.tunnel!.virtualIps[0]!
  }

  /** The socket address of the client's end of the tunnel, for packets from the inner host. */
  get inner(): Bytes {
    return (this.#inner ??= socketAddress({ address: this.#address, port: CLIENT_PORT }))
  }

  /** The client's next ESP packet, with this payload in UDP for the inner host. */
  seal(payload: Bytes): Bytes {
    const packet = buildUdpPacket({
      source: this.#address,
      destination: hostAddress,
      sourcePort: CLIENT_PORT,
      destinationPort: HOST_PORT,
      payload,
    })
    if (!this.client.sendInner(packet)) throw new Error('the client has no tunnel any more')
    return this.#sealed!
  }
}

/** Inner packets of so many octets for one direction, of the sessions in turn. */
export function packets(sessions: readonly Session[], direction: Direction, octets: number, count: number): Packet[] {
  const payload = random.bytes(octets - UDP_IP_OCTETS)
  return Array.from({ length: count }, (_, i) => {
    const session = sessions[i % sessions.length]!
    return direction === 'from client' ? { octets: session.seal(payload), to: ports['nat-t'] } : { octets: payload, to: session.inner }
  })
}

/** The same in clear, from one socket to the other. */
export function clearPackets(direction: Direction, octets: number, count: number): Packet[] {
  const packet = { octets: random.bytes(octets - UDP_IP_OCTETS), to: direction === 'from client' ? hostEnd : clientEnd }
  return Array.from({ length: count }, () => packet)
}
