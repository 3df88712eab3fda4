import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type { OwnRequest } from '../../src/ike/own-request.ts'
import type { EspProposal, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { keyExchangeMethod as ke } from '../../src/kit/ike-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { isRedundant, lowerNonce } from '../../src/ike/collision.ts'
import { peekHeader } from '../../src/ike/wire/header.ts'
import { Crossing, inManyOrders } from './crossing.ts'
import type { Meeting } from './face-to-face.ts'
import { configuration, connection, gcmEsp, meet, path } from './face-to-face.ts'

test('of four nonces the lowest tells which exchange made the redundant SA, octet by octet (§2.8.1)', () => {
  const nonce = (...octets: number[]): Uint8Array => Uint8Array.from([...octets, ...new Array<number>(16).fill(0)])
  const rival = lowerNonce(nonce(5, 1), nonce(4, 9))
  assert.deepEqual(rival, nonce(4, 9))
  assert.equal(isRedundant(nonce(9), nonce(4, 8), rival), true)
  assert.equal(isRedundant(nonce(4, 8), nonce(9), rival), true)
  assert.equal(isRedundant(nonce(9), nonce(4, 10), rival), false)
  // One that goes on behind the other's end is the higher one.
  assert.equal(isRedundant(nonce(9), rival.slice(0, -1), rival), true)
  assert.equal(isRedundant(nonce(9), Uint8Array.from([...rival, 0]), rival), false)
})

let spi = 0xd1000000

const gatewayAsks: Record<string, (meeting: Meeting) => OwnRequest> = {
  'rekeys the Child SA': ({ gateway }) => ({ type: 'rekey-child', spiIn: gateway.established.children[0]!.spiIn, group: null }),
  'rekeys the IKE SA': () => ({ type: 'rekey-ike', group: null }),
  'deletes the Child SA': ({ gateway }) => ({ type: 'delete-children', spisIn: [gateway.established.children[0]!.spiIn] }),
  'checks liveness': () => ({ type: 'liveness' }),
  'deletes the IKE SA': () => ({ type: 'delete' }),
}
const clientAsks: Record<string, (meeting: Meeting) => Bytes | null> = {
  'rekeys the Child SA': ({ client }) => client.rekeyChild(client.children[0]!.spiIn, { spiIn: ++spi, groups: [] }),
  'rekeys the IKE SA': ({ client }) => client.rekeyIke(),
  'deletes the Child SA': ({ client }) => client.deleteChild(client.children[0]!.spiIn),
  'makes a further Child SA': ({ client }) => client.createChild({ spiIn: ++spi, groups: [] }),
  'checks liveness': ({ client }) => client.checkLiveness(),
  'deletes the IKE SA': ({ client }) => client.close(),
}

/** Both want a key exchange with each Child SA, and have one group in common, which neither tries first. */
const pfs: EspProposal = { ...gcmEsp, ke: [ke.ecp384, ke.ecp256] }
const withPfs: VpnConfiguration = {
  ...configuration,
  connections: [{ ...connection, children: [{ ...connection.children[0]!, espProposals: [pfs] }] }],
}

/** `seed`: decides the client's nonces, and so whose is the lowest. */
function crossing(seed: number, gatewayDoes: string, clientDoes: string, vpn = configuration): Crossing {
  const espProposals = vpn === withPfs ? [{ ...gcmEsp, ke: [ke.ecp521, ke.ecp256] }] : [gcmEsp]
  const meeting = meet({ random: new SeededRandom(seed + 1), espProposals }, vpn)
  const scene = new Crossing(meeting)
  scene.ask(gatewayAsks[gatewayDoes]!(meeting))
  scene.send(clientAsks[clientDoes]!(meeting))
  return scene
}

/** Both sides have the same, and nothing is left of what was replaced or redundant. */
function assertAgreed(scene: Crossing, children: readonly number[]): void {
  const { client, gateway } = scene.meeting
  const both = scene.children
  assert.deepEqual(both.client, both.gateway)
  assert.ok(children.includes(both.gateway.length), `${both.gateway.length} Child SAs`)
  assert.ok(gateway.established.children.every(({ state }) => state === 'live'))
  const alive = gateway.established.ikeSas.filter(({ deletedAt }) => deletedAt === 0)
  assert.equal(alive.length, 1)
  assert.deepEqual([alive[0]!.closing, alive[0]!.task, alive[0] === gateway.established.ikeSas.at(-1)], [false, null, true])
  assert.deepEqual([client.phase, client.pending], ['established', null])
  // And it goes on, both ways, under what there is now.
  scene.events.length = 0
  scene.send(client.checkLiveness())
  scene.rest()
  assert.deepEqual(scene.events, [{ type: 'alive' }])
  scene.ask({ type: 'liveness' })
  scene.rest()
  assert.equal(gateway.sas.get(localIkeSpi(alive[0]!))!.ownPending, null)
}

test('both rekey the Child SA with a group that the other has not (INVALID_KE_PAYLOAD): whatever arrives first, both agree in the end', () => {
  const start = (seed: number): Crossing => {
    const scene = crossing(seed, 'checks liveness', 'checks liveness', withPfs)
    scene.rest()
    const { client, gateway } = scene.meeting
    scene.ask({ type: 'rekey-child', spiIn: gateway.established.children[0]!.spiIn, group: ke.ecp384 })
    scene.send(client.rekeyChild(client.children[0]!.spiIn, { spiIn: ++spi, groups: [ke.ecp521, ke.ecp256] }))
    return scene
  }
  inManyOrders(40, start, (scene) => assertAgreed(scene, [1]))
})

test('both rekey the IKE SA, and the client’s answer is lost: one whose own was outdone asks under the old one until the gateway is heard under its own', () => {
  const ends = new Set<string>()
  for (let seed = 0; seed < 12; seed++) {
    const meeting = meet({ mobike: true, random: new SeededRandom(seed) })
    const { client, gateway } = meeting
    const [old] = gateway.established.ikeSas
    const scene = new Crossing(meeting)
    scene.ask({ type: 'rekey-ike', group: null })
    scene.send(client.rekeyIke())
    scene.deliver(0)
    scene.flights.pop()
    // Only the gateway repeats, where the client is no more: nothing that it sends again arrives yet.
    while (scene.flights.length > 0) scene.deliver(0)
    const end = scene.events.at(-1)!.type
    ends.add(end)
    assert.equal(client.pending, null)
    assert.equal(client.rekeyIke() === null, end === 'outdone')
    if (end !== 'outdone') continue
    scene.send(client.move(path))
    assert.equal(peekHeader(scene.flights[0]!.datagram)!.initiatorSpi, old!.initiatorSpi)
    scene.deliver(0)
    assert.equal(gateway.decisions.at(-1)!.type, 'commit')
    scene.rest()
    assert.ok(scene.events.some(({ type }) => type === 'moved'))
    assertAgreed(scene, [1])
  }
  assert.ok(ends.has('outdone') && ends.size > 1, [...ends].join())
})

for (const gatewayDoes of Object.keys(gatewayAsks)) {
  for (const clientDoes of Object.keys(clientAsks)) {
    const ends = [gatewayDoes, clientDoes].includes('deletes the IKE SA')
    const deletes = [gatewayDoes, clientDoes].includes('deletes the Child SA')
    const isSame = gatewayDoes === clientDoes && gatewayDoes.startsWith('rekeys')
    const runs = isSame ? 100 : 25
    const further = clientDoes === 'makes a further Child SA' ? 1 : 0
    const children = deletes ? [0, 1, 1 + further].slice(further, further + 2) : [1, 1 + further]
    test(`the gateway ${gatewayDoes} while the client ${clientDoes}: whatever arrives first, both agree in the end`, () => {
      const met = new Set<boolean>()
      inManyOrders(
        runs,
        (run) => crossing(run, gatewayDoes, clientDoes),
        (scene) => {
          for (const decision of scene.meeting.gateway.decisions)
            if (decision.type === 'response' && decision.outcome.type === 'collided') met.add(decision.outcome.won)
          if (!ends) return assertAgreed(scene, children)
          assert.equal(scene.meeting.client.phase, 'closed')
          assert.deepEqual([scene.meeting.gateway.established.phase, scene.meeting.gateway.established.children], ['tombstone', []])
        },
      )
      // Each of the two wins with some of the nonces.
      if (isSame) assert.equal(met.size, 2)
    })
  }
}
