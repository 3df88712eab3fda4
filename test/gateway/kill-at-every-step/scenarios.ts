/** The exchanges that there are. Whoever adds one adds a line. */

import assert from 'node:assert/strict'
import type { VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { notifyType } from '../../../src/ike/wire/notify.ts'
import { notification } from '../../../src/ike/wire/payloads.ts'
import { keyExchangeMethod } from '../../../src/kit/ike-crypto.ts'
import type { Sealer } from '../../../src/kit/sealer.ts'
import type { Command } from '../../../src/session/commands.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import { gatewayEndpoints } from '../../support/control-cluster.ts'
import { connectingWithCertificates } from './certificates.ts'
import type { Scenario } from './scenario.ts'
import type { Stage } from './stage.ts'
import { TICK_MS } from './stage.ts'
import { withLifetimes } from '../../support/vpn.ts'

export const clientScenarios: readonly Scenario[] = [
  { name: 'connect', before: () => undefined, go: connect, ends: 'up' },
  { name: 'connect with a cookie', before: crowd, go: connect, ends: 'up', holds: (stage) => assert.ok(stage.wire.sentBackCount > 0) },
  { name: 'a further Child SA', go: createChild, ends: 'up', holds: hasChildren(2) },
  { name: 'rekey a Child SA', go: rekeyChild([]), ends: 'up', holds: hasChildren(1) },
  { name: 'rekey a Child SA, PFS', go: rekeyChild([keyExchangeMethod.x25519]), ends: 'up', holds: hasChildren(1) },
  { name: 'rekey the IKE SA', go: ({ peer }) => peer.send(peer.ike.rekeyIke()), ends: 'up', holds: hasChildren(1) },
  {
    name: 'delete a Child SA',
    before: (stage) => {
      establish(stage)
      createChild(stage)
      stage.drain()
    },
    go: ({ peer }) => peer.send(peer.ike.deleteChild(peer.ike.children[0]!.spiIn)),
    ends: 'up',
    holds: hasChildren(1),
  },
  { name: 'delete the IKE SA', go: ({ peer }) => peer.send(peer.ike.close()), ends: 'gone' },
  { name: 'liveness', go: ({ peer }) => peer.send(peer.ike.checkLiveness()), ends: 'up', holds: hasChildren(1) },
  { name: 'MOBIKE update', client: { mobike: true }, go: move, ends: 'up', holds: hasMoved },
  {
    name: 'MOBIKE addresses',
    client: { mobike: true },
    go: ({ peer }) => peer.send(peer.ike.inform([notification(notifyType.noAdditionalAddresses)])),
    ends: 'up',
    holds: hasChildren(1),
  },
]

/** Ways to connect of many rounds and datagrams, and of other proofs. */
export const loginScenarios: readonly Scenario[] = [
  {
    name: 'connect with EAP-MSCHAPv2',
    client: { eap: { user: 'alice', ntHashes: [ntHash('clientPass')] } },
    vpn: withUser,
    before: () => undefined,
    go: connect,
    ends: 'up',
  },
  { name: 'connect, ECDSA', ...connectingWithCertificates('p256', 'p256'), before: () => undefined, go: connect },
  { name: 'connect, Ed25519', ...connectingWithCertificates('ed25519', 'ed25519'), before: () => undefined, go: connect },
  {
    name: 'connect, in fragments',
    client: { fragmentOctets: 200 },
    before: () => undefined,
    go: connect,
    ends: 'up',
  },
]

/** What the cluster begins. */
export const ownScenarios: readonly Scenario[] = [
  {
    name: "the gateway's liveness check",
    vpn: withLifetimes({ dpdDelay: 3 }, {}),
    go: untilAsked,
    isOver: (stage) => stage.log.slice(stage.recordedFrom).some(({ octets }) => isAnswer(decodeCommand(octets))),
    ends: 'up',
    holds: hasChildren(1),
  },
  {
    name: 'the gateway rekeys a Child SA',
    vpn: withLifetimes({}, { rekeyTime: 3 }),
    go: untilAsked,
    isOver: ({ view }) => view!.context.children.length === 1 && view!.context.children[0]!.initiatedByUs,
    ends: 'up',
    holds: hasChildren(1),
  },
  {
    name: 'the gateway rekeys the IKE SA',
    vpn: withLifetimes({ rekeyTime: 3, overTime: 600 }, {}),
    go: untilAsked,
    isOver: ({ view }) => {
      const alive = view!.context.ikeSas.filter(({ deletedAt }) => deletedAt === 0)
      return alive.length === 1 && alive[0]!.initiatedByUs
    },
    ends: 'up',
    holds: hasChildren(1),
  },
  { name: 'terminate', go: terminate, again: terminate, isOver: hasEnded, ends: 'gone' },
]

function connect({ peer }: Stage): void {
  peer.send(peer.ike.start())
}

/** The session is established, with nothing on its way. */
export function establish(stage: Stage): void {
  connect(stage)
  stage.drain()
  assert.equal(stage.peer.ike.phase, 'established')
}

/** There are so many half-open sessions that a client has to show that it is where it says; that they are there is only said. */
function crowd(stage: Stage): void {
  stage.crowded()
}

function createChild({ peer }: Stage): void {
  peer.send(peer.ike.createChild({ spiIn: peer.newSpi(), groups: [] }))
}

export function rekeyChild(groups: readonly number[]): Scenario['go'] {
  return ({ peer }) => {
    const [old] = peer.ike.children
    peer.send(peer.ike.rekeyChild(old!.spiIn, { spiIn: peer.newSpi(), groups }))
  }
}

function hasChildren(count: number): NonNullable<Scenario['holds']> {
  return ({ peer }) => assert.equal(peer.ike.children.length, count)
}

/** The client has another address, and tells it from there (RFC 4555 §3.5). */
function move({ peer }: Stage): void {
  peer.address = Uint8Array.of(192, 0, 2, 99)
  peer.send(peer.ike.move({ local: { address: peer.address, port: 4500 }, remote: gatewayEndpoints.natT }))
}

function hasMoved({ view, peer }: Stage): void {
  assert.deepEqual(view!.context.remote, { address: peer.address, port: 4500 })
  assert.equal(view!.context.behindNat, false)
}

function withUser(vpn: VpnConfiguration, sealer: Sealer): VpnConfiguration {
  const name = 'eap-alice'
  return {
    ...vpn,
    connections: vpn.connections.map((one) => ({ ...one, remote: { ...one.remote, auth: 'eap-mschapv2', eapId: '%any' } })),
    secrets: [...vpn.secrets, { name, ids: ['alice'], secret: sealer.seal(`nt-hash/${name}`, ntHash('clientPass')) }],
  }
}

/** Time passes until the gateway has something to ask. */
export function untilAsked(stage: Stage): void {
  for (let i = 0; stage.points.length === 0; i++) {
    assert.ok(i < 100, 'the gateway asks nothing')
    stage.pass(TICK_MS)
  }
}

function isAnswer(command: Command): boolean {
  return command.type === 'commit-exchange' && command.direction === 'own-response'
}

/** An operator asks, and, as long as nothing has come of it, asks again. */
function terminate(stage: Stage): void {
  if (!hasEnded(stage)) stage.door().control.requestTermination(stage.peerSession)
}

function hasEnded({ view }: Stage): boolean {
  return view?.phase !== 'established'
}
