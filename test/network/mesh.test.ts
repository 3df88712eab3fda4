import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import type { MeshKeyChange } from '../../src/network/mesh.ts'
import { MAX_MESH_MESSAGE_OCTETS, Mesh } from '../../src/network/mesh.ts'
import { MeshSealer } from '../../src/network/mesh-channel.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { loopback, until } from '../support/until.ts'

const keyOf = (keyId: number): { keyId: number; key: Uint8Array } => ({ keyId, key: new Uint8Array(32).fill(keyId) })
const sends = (peer: string, keyId: number): MeshKeyChange => ({ peer, direction: 'send', ...keyOf(keyId) })
const receives = (peer: string, keyId: number): MeshKeyChange => ({ peer, direction: 'receive', ...keyOf(keyId) })

interface Side {
  readonly mesh: Mesh
  readonly drops: Drops
  readonly messages: string[]
  nowMs: number
}

async function openSide(): Promise<Side> {
  const drops = new Drops()
  const messages: string[] = []
  const onMessage = (gateway: string, message: Uint8Array): void => void messages.push(`${gateway}: ${fromUtf8(message)}`)
  const side = { drops, messages, nowMs: 0 }
  const mesh = await Mesh.open({ listen: loopback, peers: new Map(), drops, onMessage, nowMs: () => side.nowMs })
  return Object.assign(side, { mesh })
}

/** sg1 and sg2 on loopback, knowing each other's address, without keys; and a socket that isn't a gateway's. */
async function withMesh(body: (sg1: Side, sg2: Side, stranger: UdpSocket) => Promise<void>): Promise<void> {
  const [sg1, sg2] = [await openSide(), await openSide()]
  const stranger = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: () => {} })
  sg1.mesh.setPeer('sg2', sg2.mesh.local)
  sg2.mesh.setPeer('sg1', sg1.mesh.local)
  try {
    await body(sg1, sg2, stranger)
  } finally {
    await Promise.all([sg1.mesh.close(), sg2.mesh.close(), stranger.close()])
  }
}

const options = { timeout: 10_000 }

test('a message reaches the peer under the name that its key was given for', options, () =>
  withMesh(async (sg1, sg2) => {
    sg1.mesh.setKey(sends('sg2', 1))
    sg2.mesh.setKey(receives('sg1', 1))
    assert.equal(sg1.mesh.send('sg2', toUtf8('hello')), true)
    await until(() => sg2.messages.length === 1)
    assert.deepEqual(sg2.messages, ['sg1: hello'])
  }),
)

test('without address or key nothing leaves, and it is counted', options, () =>
  withMesh(async (sg1) => {
    assert.equal(sg1.mesh.send('sg2', toUtf8('x')), false)
    assert.equal(sg1.mesh.send('sg9', toUtf8('x')), false)
    sg1.mesh.setKey(sends('sg2', 1))
    assert.equal(sg1.mesh.send('sg2', new Uint8Array(MAX_MESH_MESSAGE_OCTETS + 1)), false)
    assert.deepEqual(sg1.drops.toRecord(), { 'mesh-no-key': 1, 'mesh-no-peer': 1, 'mesh-too-long': 1 })
  }),
)

test('malformed, tampered and replayed datagrams are counted drops', options, () =>
  withMesh(async (_sg1, sg2, stranger) => {
    sg2.mesh.setKey(receives('sg1', 1))
    const datagram = new MeshSealer(keyOf(1)).seal(toUtf8('once'))
    const tampered = Uint8Array.from(datagram)
    tampered[20]! ^= 1
    for (const sent of [toUtf8('garbage'), tampered, datagram, datagram]) stranger.send(sg2.mesh.local, sent)
    await until(() => sg2.drops.of('mesh-replayed') === 1)
    assert.deepEqual(sg2.messages, ['sg1: once'])
    assert.deepEqual(sg2.drops.toRecord(), { 'mesh-malformed': 1, 'mesh-tampered': 1, 'mesh-replayed': 1 })
  }),
)

test('after a change of key the former is good, the one before it is not', options, () =>
  withMesh(async (_sg1, sg2, stranger) => {
    const sealers = [1, 2, 3].map((keyId) => new MeshSealer(keyOf(keyId)))
    for (const keyId of [1, 2, 3]) sg2.mesh.setKey(receives('sg1', keyId))
    sealers.forEach((sealer, i) => stranger.send(sg2.mesh.local, sealer.seal(toUtf8(`key ${i + 1}`))))
    await until(() => sg2.messages.length === 2)
    sg2.nowMs = 1000
    sg2.mesh.tick()
    assert.deepEqual(sg2.messages, ['sg1: key 2', 'sg1: key 3'])
    assert.deepEqual(sg2.drops.toRecord(), { 'mesh-unknown-key': 1 })
  }),
)

test('a datagram that comes before its key waits for it', options, () =>
  withMesh(async (sg1, sg2, stranger) => {
    sg1.mesh.setKey(sends('sg2', 1))
    sg1.mesh.send('sg2', toUtf8('early'))
    // Datagrams of one socket's buffer come in order: when the marker has been refused, the early one is there too.
    stranger.send(sg2.mesh.local, toUtf8('marker'))
    await until(() => sg2.drops.of('mesh-malformed') === 1)
    sg2.mesh.setKey(receives('sg1', 1))
    assert.deepEqual(sg2.messages, ['sg1: early'])
  }),
)

test('datagrams that wait for a key are bounded, and forgotten after a while', options, () =>
  withMesh(async (_sg1, sg2, stranger) => {
    for (let i = 0; i < 300; i++) stranger.send(sg2.mesh.local, new MeshSealer(keyOf(9)).seal(toUtf8('flood')))
    await until(() => sg2.drops.of('mesh-unknown-key') === 300 - 256)
    sg2.nowMs = 501
    sg2.mesh.tick()
    assert.equal(sg2.drops.of('mesh-unknown-key'), 300)
  }),
)

test('octets that waited for a key are free again when they are forgotten', options, () =>
  withMesh(async (_sg1, sg2, stranger) => {
    const long = (): Uint8Array => new MeshSealer(keyOf(9)).seal(new Uint8Array(60_000))
    // 17 of them fit into 1 MiB.
    for (const round of [1, 2]) {
      for (let i = 0; i < 18; i++) stranger.send(sg2.mesh.local, long())
      await until(() => sg2.drops.of('mesh-unknown-key') === 18 * (round - 1) + 1)
      sg2.nowMs += 501
      sg2.mesh.tick()
      assert.equal(sg2.drops.of('mesh-unknown-key'), 18 * round)
    }
  }),
)

test('a key that sent once never starts again', options, () =>
  withMesh(async (sg1) => {
    for (const keyId of [1, 2, 1]) sg1.mesh.setKey(sends('sg2', keyId))
    assert.equal(sg1.drops.of('mesh-key-reused'), 1)
  }),
)
