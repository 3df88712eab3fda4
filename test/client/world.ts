/** The built-in client against the in-process gateway of the IKE tests, whose ESP end is made of the keys that the gateway's context holds. */

import type { ClientEvent, ClientOptions, ClientPort } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { encapsulate, innerPacket } from '../../src/esp/packet.ts'
import { openChildKeys } from '../../src/ike/open-session.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toUtf8 } from '../../src/kit/bytes.ts'
import type { EspCipher } from '../../src/kit/esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { TestGateway, address, cbcIke, gcmEsp, path } from '../ike/face-to-face.ts'

export const natT = { address: path.local.address, port: 4500 }
export const marker = new Uint8Array(4)

export interface Sent {
  readonly port: ClientPort
  readonly datagram: Bytes
}

export class World {
  nowMs = 1000
  gateway = new TestGateway()
  readonly sent: Sent[] = []
  readonly delivered: Bytes[] = []
  readonly events: ClientEvent[] = []
  /** False: the gateway gets nothing. */
  connected = true
  readonly client: Client

  constructor(changes: Partial<ClientOptions> = {}) {
    this.client = new Client({
      crypto: nodeIkeCrypto,
      espCrypto: createEspCrypto(systemRandom()),
      random: new SeededRandom(1),
      identity: parseIdentity('alice'),
      remoteIdentity: parseIdentity('vpn.example.org'),
      secret: toUtf8('hello'),
      local: path.remote,
      gateway: { ike: path.local, natT },
      ikeProposals: [cbcIke],
      espProposals: [gcmEsp],
      effects: {
        send: (port, datagram) => this.#fromClient(port, datagram),
        deliver: (packet) => this.delivered.push(packet.slice()),
        event: (event) => this.events.push(event),
      },
      ...changes,
    })
  }

  /** A client with its tunnel up. */
  static up(changes: Partial<ClientOptions> = {}): World {
    const world = new World(changes)
    world.client.start(world.nowMs)
    return world
  }

  get types(): string[] {
    return this.events.map(({ type }) => type)
  }

  /** Lets the time pass in steps of 10 ms. */
  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += 10
      this.client.tick(this.nowMs)
    }
  }

  /** To the client, from one of the gateway's ports. */
  toClient(port: ClientPort, datagrams: readonly Bytes[]): void {
    for (const datagram of datagrams) this.client.datagram(port === 'ike' ? datagram.slice() : concat(marker, datagram), port, this.nowMs)
  }

  #fromClient(port: ClientPort, datagram: Bytes): void {
    this.sent.push({ port, datagram: datagram.slice() })
    if (!this.connected) return
    const isEsp = port === 'nat-t' && datagram.subarray(0, 4).some((octet) => octet !== 0)
    if (isEsp) return
    const ike = port === 'ike' ? datagram : datagram.subarray(4)
    this.toClient(port, this.gateway.receive(ike, { local: port === 'ike' ? path.local : natT, remote: path.remote }))
  }
}

/** The gateway's end of the client's Child SA. */
export class GatewayEsp {
  readonly spiOut: number
  readonly #in: EspCipher
  readonly #out: EspCipher

  /** Of its newest Child SA. */
  constructor(world: World) {
    const child = world.gateway.established.children.at(-1)!
    const keys = openChildKeys(world.gateway.env.sealer, child)!
    const crypto = createEspCrypto(systemRandom())
    this.#in = crypto.cipher(child.suite, keys.keyIn)!
    this.#out = crypto.cipher(child.suite, keys.keyOut)!
    this.spiOut = child.spiOut
  }

  seal(sequence: number, inner: Bytes): Bytes {
    return encapsulate(this.#out, this.spiOut, sequence, inner)
  }

  open(packet: Bytes): Bytes {
    if (!this.#in.open(packet, 0)) throw new Error('not authentic')
    const inner = innerPacket(this.#in, packet)
    if (typeof inner === 'string') throw new Error(inner)
    return inner
  }
}

export const clientAddress = address('10.77.0.9')
export const hostAddress = address('10.50.0.7')
