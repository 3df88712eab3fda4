/**
 * Whatever strangers send to any port of a gateway is dropped and counted, or answered as the RFC says; the process lives on and serves on
 * (DESIGN.md §5: a malformed packet costs its sender, not us).
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { issueGateway } from '../../../src/cli/certificates.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { concat, dataView } from '../../../src/kit/bytes.ts'
import { SeededRandom, randomBelow } from '../../../src/kit/random.ts'
import { encodeMessage } from '../../../raft/codec.ts'
import { encodeFrameHead, encodeHello } from '../../../raft/frame.ts'
import { Calls } from '../../support/calls.ts'
import type { Call } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { tcpTalk, tlsTalk } from '../../support/talk.ts'

const IKE_HEADER_OCTETS = 28
const marker = new Uint8Array(4)
/** So many datagrams go out in one turn of the loop: fewer than the smallest receive buffer holds. */
const BURST = 32

/** Sends datagrams to ports of 127.0.0.1 and keeps the answers. */
class Stranger {
  readonly answers: Bytes[] = []
  readonly #socket = dgram.createSocket('udp4')

  static async open(t: TestContext): Promise<Stranger> {
    const stranger = new Stranger()
    stranger.#socket.on('message', (answer) => stranger.answers.push(answer))
    stranger.#socket.bind(0, '127.0.0.1')
    await once(stranger.#socket, 'listening')
    t.after(() => stranger.#socket.close())
    return stranger
  }

  async send(port: number, datagrams: readonly Bytes[]): Promise<void> {
    for (let i = 0; i < datagrams.length; i += BURST) {
      const burst = datagrams.slice(i, i + BURST)
      await Promise.all(burst.map((one) => new Promise((resolve) => this.#socket.send(one, port, '127.0.0.1', resolve))))
    }
  }
}

async function dropped(cluster: ServeCluster, reason: string): Promise<number> {
  return (await cluster.counts('sg1', 'evpc_drops_total')).get(reason) ?? 0
}

async function allDropped(cluster: ServeCluster): Promise<number> {
  return [...(await cluster.counts('sg1', 'evpc_drops_total')).values()].reduce((sum, count) => sum + count, 0)
}

async function refused(cluster: ServeCluster, reason: string): Promise<number> {
  return (await cluster.counts('sg1', 'evpc_transport_refusals_total')).get(reason) ?? 0
}

/** Does it, and waits until `count` more were counted under the reason: each one was. */
async function countedBy(read: () => Promise<number>, count: number, what: string, act: () => Promise<unknown>): Promise<void> {
  const before = await read()
  await act()
  let seen = before
  await eventually(`${count} counted: ${what}`, async () => (seen = await read()) >= before + count).catch((error: unknown) => {
    throw new Error(`${String(error)}; ${seen - before} were`)
  })
}

/** A request that no client makes, of the right form. */
function header(values: { spiR?: bigint; exchange?: number; flags?: number; version?: number; length?: number; next?: number }): Bytes {
  const octets = new Uint8Array(IKE_HEADER_OCTETS)
  const view = dataView(octets)
  view.setBigUint64(0, 0x1122334455667788n)
  view.setBigUint64(8, values.spiR ?? 0n)
  view.setUint8(16, values.next ?? 0)
  view.setUint8(17, values.version ?? 0x20)
  view.setUint8(18, values.exchange ?? 34)
  view.setUint8(19, values.flags ?? 0x08)
  view.setUint32(24, values.length ?? IKE_HEADER_OCTETS)
  return octets
}

test('a gateway lives through rubbish on every port, and its clients notice nothing', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const { layout } = cluster
  const { mesh, raft, admin } = cluster.of('sg1')
  const { ike, natT, inside } = layout
  const calls = await Calls.open(t, layout)
  const caller = await calls.add()
  await caller.connect()
  await caller.talks()
  const stranger = await Stranger.open(t)
  const times = (count: number, datagram: Bytes): Bytes[] => Array.from({ length: count }, () => datagram)

  const counted: readonly {
    readonly what: string
    readonly port: number
    readonly datagrams: readonly Bytes[]
    readonly reason: string
  }[] = [
    { what: 'less than a header on the IKE port', port: ike.port, datagrams: times(5, new Uint8Array(27)), reason: 'ike-short' },
    { what: 'nothing at all on the IKE port', port: ike.port, datagrams: times(5, new Uint8Array(0)), reason: 'ike-short' },
    { what: 'an exchange without our SPI', port: ike.port, datagrams: times(5, header({ exchange: 35 })), reason: 'ike-malformed' },
    { what: 'an unknown IKE SPI', port: ike.port, datagrams: times(5, header({ exchange: 37, spiR: 7n })), reason: 'ike-unknown-spi' },
    { what: 'a truncated marker on the NAT-T port', port: natT.port, datagrams: times(5, new Uint8Array(3)), reason: 'outer-short' },
    { what: 'a marker alone', port: natT.port, datagrams: times(5, marker), reason: 'ike-short' },
    { what: 'NAT keepalives', port: natT.port, datagrams: times(5, Uint8Array.of(0xff)), reason: 'nat-keepalive' },
    { what: 'ESP too short', port: natT.port, datagrams: times(5, new Uint8Array(31).fill(9)), reason: 'esp-short' },
    { what: 'a datagram of no mesh', port: mesh, datagrams: times(5, new Uint8Array(40)), reason: 'mesh-malformed' },
    { what: 'a mesh datagram cut short', port: mesh, datagrams: times(5, Uint8Array.of(1, 0, 0, 0, 1)), reason: 'mesh-malformed' },
    {
      what: 'an unknown key on the mesh',
      port: mesh,
      datagrams: times(5, Uint8Array.of(1, ...randomBytes(60))),
      reason: 'mesh-unknown-key',
    },
    { what: 'no IP packet from inside', port: inside.port, datagrams: times(5, new Uint8Array(60)), reason: 'inner-malformed' },
  ]
  for (const { what, port, datagrams, reason } of counted) {
    await t.test(`dropped and counted as ${reason}: ${what}`, () =>
      countedBy(
        () => dropped(cluster, reason),
        datagrams.length,
        what,
        () => stranger.send(port, datagrams),
      ),
    )
  }

  await t.test('ESP with an unknown SPI is answered with silence and counted', async () => {
    const unknown = times(5, Uint8Array.of(0xde, 0xad, 0xbe, 0xef, ...randomBytes(96)))
    const read = async (): Promise<number> => (await dropped(cluster, 'unknown-route')) + (await dropped(cluster, 'parked-expired'))
    await countedBy(read, unknown.length, 'unknown SPI', () => stranger.send(natT.port, unknown))
    assert.deepEqual(stranger.answers, [])
  })

  await t.test('a higher major version is answered with INVALID_MAJOR_VERSION (RFC 7296 §2.5)', async () => {
    await stranger.send(ike.port, [header({ version: 0x30 })])
    await eventually('an answer', () => stranger.answers.length > 0)
    const answer = stranger.answers.shift()!
    assert.deepEqual([answer[16], answer[18], answer[19]! & 0x20], [41, 34, 0x20])
    assert.equal(dataView(answer).getUint16(IKE_HEADER_OCTETS + 6), 5)
  })

  await t.test('every truncation of a real IKE_SA_INIT makes no session', () => survivesTruncation(cluster, caller, stranger))

  await t.test('thousands of seeded datagrams, random and mutated, on every port', async () => {
    const before = await allDropped(cluster)
    await fuzz(stranger, caller, [ike.port, natT.port, mesh, inside.port])
    await caller.talks()
    // Most of the 4,000 have nothing right about them.
    await eventually('them to be counted', async () => (await allDropped(cluster)) >= before + 2000)
  })

  await t.test('the Raft port refuses who has no certificate, and counts it', async () => {
    const read = (): Promise<number> => refused(cluster, 'TLS handshake')
    const ca = readFileSync(cluster.file('ca.pem'), 'utf8')
    await countedBy(read, 3, 'TLS without a certificate', () => Promise.all([1, 2, 3].map(() => tlsTalk(raft, { ca }, null))))
    await countedBy(read, 3, 'no TLS', () => Promise.all([1, 2, 3].map(() => tcpTalk(raft, randomBytes(500)))))
    await countedBy(read, 1, 'HTTP', () => tcpTalk(raft, Buffer.from('GET / HTTP/1.1\r\n\r\n')))
  })

  await t.test('the Raft port refuses frames of strangers with a certificate', () => strangersFrames(cluster))

  await t.test('half-open connections to the Raft port are given up', async () => {
    const sockets = Array.from({ length: 20 }, () => net.connect(raft, '127.0.0.1'))
    sockets.forEach((socket) => socket.on('error', () => undefined))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await Promise.all(sockets.map(async (socket) => (socket.resume(), once(socket, 'close'))))
  })

  await t.test('the admin port answers rubbish with an error and closes', async () => {
    const requests = [
      'rubbish\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      'POST /v1/rebalance HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
    ]
    for (const request of requests) assert.match(await tcpTalk(admin, Buffer.from(request)), /^HTTP\/1\.1 (4\d\d|505)/)
    assert.equal(await tcpTalk(admin, randomBytes(2000)).then((answer) => /^$|^HTTP\/1\.1 4/.test(answer)), true)
    for (const path of ['/v1/sessions/%00', '/v1/sessions/-1', '/v1/sessions?limit=-1', '/v1/gateways/../../etc', '/%ff']) {
      const { status } = await cluster.get('sg1', path)
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`)
    }
  })

  assert.equal(cluster.process('sg1').isRunning, true)
  assert.equal(await cluster.isReady('sg1'), true)
  await caller.talks()
  assert.deepEqual([caller.problems, caller.client.counters.reAuthentications], [[], 0])
  const late = await calls.add()
  await late.connect()
  await late.talks()
})

async function survivesTruncation(cluster: ServeCluster, caller: Call, stranger: Stranger): Promise<void> {
  const { ike, natT } = cluster.layout
  const init = caller.sent.find(({ port }) => port === 'ike')!.datagram
  const cuts = Array.from({ length: init.length }, (_, length) => init.slice(0, length))
  const read = (): Promise<number> => dropped(cluster, 'ike-short')
  // As it is, the header's length is wrong; put right, what follows ends in the middle of a payload.
  const righted = cuts.filter(({ length }) => length >= IKE_HEADER_OCTETS).map((cut) => withLength(cut))
  await countedBy(read, IKE_HEADER_OCTETS, 'truncations', () => stranger.send(ike.port, cuts))
  await stranger.send(ike.port, righted)
  await stranger.send(
    natT.port,
    righted.map((cut) => concat(marker, cut)),
  )
  assert.equal((await cluster.agreedSessions('sg1')).length, 1)
}

function withLength(message: Bytes): Bytes {
  const righted = message.slice()
  dataView(righted).setUint32(24, righted.length)
  return righted
}

/** Real packets with a few octets changed, cut, or continued; and noise. */
async function fuzz(stranger: Stranger, caller: Call, ports: readonly number[]): Promise<void> {
  const random = new SeededRandom(20_240_601)
  const real = caller.sent.map(({ datagram }) => datagram)
  for (let round = 0; round < 40; round++) {
    const datagrams = Array.from({ length: 100 }, () => {
      if (randomBelow(random, 3) === 0) return random.bytes(randomBelow(random, 1500))
      return mutate(random, real[randomBelow(random, real.length)]!)
    })
    await stranger.send(ports[round % ports.length]!, datagrams)
  }
}

function mutate(random: SeededRandom, original: Bytes): Bytes {
  const octets = original.slice()
  for (let changes = randomBelow(random, 4); changes >= 0; changes--) octets[randomBelow(random, octets.length)] = randomBelow(random, 256)
  const cut = octets.subarray(0, randomBelow(random, octets.length + 1))
  const longer = concat(octets, random.bytes(randomBelow(random, 64)))
  const mutated = [octets, cut, longer][randomBelow(random, 3)]!
  return mutated.length >= IKE_HEADER_OCTETS && randomBelow(random, 2) === 0 ? withLength(mutated) : mutated
}

/** A certificate of the cluster's CA, but of no member, as one that joins has: it may speak, and is neither believed nor answered. */
async function strangersFrames(cluster: ServeCluster): Promise<void> {
  const { folder } = cluster.layout
  await issueGateway({ id: 'sg9', ca: folder, ips: [], dns: [], out: folder, days: 1, nowMs: Date.now() })
  const [ca, cert, key] = ['ca.pem', 'sg9.pem', 'sg9.key'].map((name) => readFileSync(cluster.file(name), 'utf8'))
  const hello = encodeHello({ cluster: 'demo', server: 'sg9', address: '' })
  const octets = concat(encodeFrameHead('hello', hello.length), hello)
  const deposing = encodeMessage({ type: 'requestVote', term: 1e9, lastLogIndex: 1e9, lastLogTerm: 1e9, leadershipTransfer: false })
  const vote = concat(encodeFrameHead('raft', deposing.length), deposing)
  const read = async (): Promise<number> =>
    (await refused(cluster, 'guest that cannot be dialled')) + (await refused(cluster, 'malformed frame'))
  await countedBy(read, 3, 'a stranger', async () => {
    const ending = encodeFrameHead('raft', 17 * 1024 * 1024)
    for (const frames of [concat(octets, vote, vote, ending), ending])
      await tlsTalk(cluster.of('sg1').raft, { ca: ca!, cert: cert!, key: key! }, frames)
  })
}
