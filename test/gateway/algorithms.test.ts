/**
 * Every algorithm through whole gateways: the built-in client and the control cores agree on it, packets pass the packet cores both ways, and go
 * on doing so after a takeover, rekeying included. The client's packets are made by node:crypto, the gateways' by OpenSSL called directly,
 * where it can be.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import type { ProposalResult } from '../../src/config/proposals.ts'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { ownership } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ordinaryPacketOptions } from '../support/packet-options.ts'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'
import { needsOpenSsl } from '../support/openssl.ts'
import { testVpn } from '../support/vpn.ts'

const server = Uint8Array.of(10, 50, 0, 9)

function parsed<T>(result: ProposalResult<T>): readonly T[] {
  if (!result.ok) throw new Error(`${result.expected}, got ${result.got}`)
  return result.proposals
}

/** The packet core of a gateway of the cluster, and what it let in. */
class Half {
  readonly core: PacketCore
  readonly delivered: Bytes[] = []
  readonly #cluster: ControlCluster
  readonly #id: string
  readonly #client: TestClient

  constructor(cluster: ControlCluster, id: string, client: TestClient) {
    this.#cluster = cluster
    this.#id = id
    this.#client = client
    this.core = new PacketCore({
      self: id,
      crypto: needsOpenSsl.skip === false ? createEvpEspCrypto(cluster.random) : createEspCrypto(cluster.random),
      ...ordinaryPacketOptions,
      reply: { way: 'direct', endpoints: Object.values(gatewayEndpoints) },
      effects: {
        sendOuter: (_local, _remote, datagram) => client.client.datagram(datagram.slice(), 'nat-t', cluster.nowMs),
        deliverInner: (packet) => this.delivered.push(packet.slice()),
        sendMesh: () => undefined,
        toControl: (message) => cluster.fromPackets(id, message),
      },
    })
    this.core.control({ type: 'lease', untilMs: Infinity }, cluster.nowMs)
    this.#pump()
  }

  /** The client's ESP that has not arrived yet arrives here; grants are committed, and what waits for them goes on. */
  up(): void {
    for (const { port, datagram } of this.#client.sent.splice(0))
      if (port === 'nat-t') this.core.outer(datagram, gatewayEndpoints.natT, this.#client.endpoint.natT, this.#cluster.nowMs)
    this.#settle()
  }

  down(packet: Bytes): void {
    this.core.inner(packet, this.#cluster.nowMs)
    this.#settle()
  }

  #settle(): void {
    for (let i = 0; i < 8; i++) {
      this.#pump()
      this.#cluster.settle()
      this.#cluster.nowMs += 5
      this.core.tick(this.#cluster.nowMs)
    }
  }

  #pump(): void {
    const { toPackets } = this.#cluster.member(this.#id)
    for (const message of toPackets.splice(0)) {
      // The cluster's clients have heard IKE already, and the lease is the test's.
      if (message.type !== 'send-outer' && message.type !== 'lease') this.core.control(message, this.#cluster.nowMs)
    }
  }
}

interface Meeting {
  readonly cluster: ControlCluster
  readonly client: TestClient
  readonly half: Half
}

function connected(ike: string, esp: string): Meeting {
  const [ikeProposals, espProposals] = [parsed(parseIkeProposal(ike)), parsed(parseEspProposal(esp))]
  const cluster = new ControlCluster('sg1', 'sg2')
  cluster.configure(14, () => testVpn(cluster.sealer, 14, espProposals, ikeProposals))
  const client = cluster.client(() => [...cluster.members.keys()].at(-1)!, { ikeProposals, espProposals })
  client.connect()
  client.sent.length = 0
  return { cluster, client, half: new Half(cluster, ownership(cluster.state(), client.session)!.gateway, client) }
}

/** Some packets each way, of lengths that want every padding. */
function talk({ client, half }: Pick<Meeting, 'client' | 'half'>, name: string): void {
  const address = client.client.tunnel!.virtualIps[0]!
  const [before, received] = [half.delivered.length, client.client.counters.received]
  const packets = Array.from({ length: 17 }, (_, octets) =>
    buildUdpPacket({
      source: address,
      destination: server,
      sourcePort: 1,
      destinationPort: 2,
      payload: new Uint8Array(octets).fill(octets),
    }),
  )
  for (const packet of packets) assert.ok(client.client.sendInner(packet))
  client.isLive = false
  half.up()
  assert.deepEqual(half.delivered.slice(before), packets, name)
  for (let octets = 0; octets < 17; octets++) {
    const payload = new Uint8Array(octets).fill(octets)
    half.down(buildUdpPacket({ source: server, destination: address, sourcePort: 2, destinationPort: 1, payload }))
  }
  assert.equal(client.client.counters.received - received, 17, name)
  assert.deepEqual([client.client.counters.sequenceNumbersReused, client.client.counters.drops], [0, {}], name)
}

/** The owner dies; the next gateway has the session, and its packet core what that needs. */
function takeOver({ cluster, client, half }: Meeting): Meeting {
  const owner = ownership(cluster.state(), client.session)!.gateway
  cluster.inject({ type: 'gateway-down', incarnation: cluster.get(owner).incarnation })
  cluster.stop(owner)
  cluster.applyAll()
  const next = ownership(cluster.state(), client.session)!.gateway
  assert.notEqual(next, owner)
  assert.deepEqual(half.core.drops.get('esp-icv'), 0)
  // Number and window are where the last owner's grants ended: the client goes on above.
  return { cluster, client, half: new Half(cluster, next, client) }
}

const ikeProposals = [
  ...['aes128', 'aes192', 'aes256', 'aes128ctr', 'aes192ctr', 'aes256ctr'].map((cipher) => `${cipher}-sha256-x25519`),
  ...['aes128gcm16', 'aes192gcm16', 'aes256gcm16', 'chacha20poly1305'].map((cipher) => `${cipher}-prfsha256-x25519`),
  ...['sha384', 'sha512', 'sha1'].map((hash) => `aes128-${hash}-ecp256`),
  ...['ecp384', 'ecp521', 'modp2048', 'modp3072', 'modp1536', 'modp1024'].map((group) => `aes128gcm16-prfsha384-${group}`),
  'aes128gcm16-prfsha512-modp4096',
  '3des-sha1-modp1024',
]
for (const ike of ikeProposals) {
  test(`IKE by ${ike}: connected, rekeyed, taken over, and rekeyed by the next owner`, () => {
    const meeting = connected(ike, 'aes128gcm16')
    talk(meeting, ike)
    const { cluster, client } = meeting
    const renew = (what: 'child-rekey' | 'ike-rekey'): void => {
      client.isLive = true
      assert.ok(client.client.rekey(what, cluster.nowMs))
      for (let i = 0; i < 4; i++) cluster.settle()
      assert.equal(client.events.filter((event) => event.type === 'replaced' && event.what === what).length > 0, true)
      client.events.length = 0
      client.sent.length = 0
    }
    renew('ike-rekey')
    const next = takeOver(meeting)
    renew('child-rekey')
    renew('ike-rekey')
    talk(next, ike)
  })
}

const ciphers = ['aes128', 'aes192', 'aes256', 'aes128ctr', 'aes192ctr', 'aes256ctr', '3des', 'null']
const espProposals = [
  'aes128gcm16',
  'aes192gcm16',
  'aes256gcm16',
  'chacha20poly1305',
  ...ciphers.flatMap((cipher) => ['sha1', 'sha256', 'sha384', 'sha512'].map((hash) => `${cipher}-${hash}`)),
]
for (const esp of espProposals) {
  test(`ESP by ${esp}: packets of every padding both ways, before and after a takeover`, () => {
    const meeting = connected('aes128-sha256-x25519', esp)
    talk(meeting, esp)
    talk(takeOver(meeting), esp)
  })
}

for (const esp of ['aes128gcm16', 'chacha20poly1305', 'aes256-sha512', 'aes128ctr-sha256', 'null-sha384', '3des-sha1']) {
  test(`ESP by ${esp} with extended numbers: the client's go over 2^32, a gateway that has taken over accepts them`, () => {
    const meeting = connected('aes128-sha256-x25519', `${esp}-esn`)
    const { cluster, client } = meeting
    assert.equal(cluster.state().children.esn[0], 1)
    talk(meeting, esp)
    // By leaps of less than 2^31, which can be followed.
    for (const next of [2 ** 31 - 5, 3 * 2 ** 30, 2 ** 32 - 5]) {
      client.client.skipTo(next)
      talk(meeting, esp)
    }
    const next = takeOver(meeting)
    talk(next, esp)
    assert.equal(next.half.core.drops.get('esp-icv'), 0)
    assert.equal(next.half.core.drops.get('esp-replay'), 0)
  })
}

test('ESN is agreed where the configuration wants it first, and not where both may be and it comes second', () => {
  for (const [configured, expected] of [
    ['aes128gcm16-esn-noesn', 1],
    ['aes128gcm16-noesn-esn', 0],
    ['aes128gcm16', 0],
  ] as const) {
    const cluster = new ControlCluster('sg1')
    cluster.configure(14, () => testVpn(cluster.sealer, 14, parsed(parseEspProposal(configured))))
    const client = cluster.client(() => 'sg1', { espProposals: parsed(parseEspProposal('aes128gcm16-esn-noesn')) })
    client.connect()
    assert.equal(cluster.state().children.esn[0], expected, configured)
  }
})
