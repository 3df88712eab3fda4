/** What must hold at the end of every run: the client and the cluster have the same session, or both have none. */

import assert from 'node:assert/strict'
import type { IkeSaContext } from '../../../src/context/session-context.ts'
import { localIkeSpi } from '../../../src/context/session-context.ts'
import { createEspCrypto } from '../../../src/crypto/node-esp-crypto.ts'
import { encapsulate, innerPacket } from '../../../src/esp/packet.ts'
import type { ChildInstall } from '../../../src/gateway/packet-messages.ts'
import { sessionInstall } from '../../../src/gateway/tenures.ts'
import type { ClientChild } from '../../../src/ike/initiator-rekey.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { toHex } from '../../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import type { SessionView } from '../../../src/session/view.ts'
import { sessionByAddress } from '../../../src/session/view.ts'
import type { Stage } from './stage.ts'

/** On the wire, in the log, and between the gateways. */
export function assertSafe(stage: Stage): void {
  assert.deepEqual([...stage.wire.violations, ...stage.problems], [])
  const hashes = new Set(stage.healthy.map(({ control }) => control.state.historyHash))
  assert.equal(hashes.size, 1, 'two gateways made different things of the same log')
}

/** The session is up, on a gateway that lives, and the client has the same: SPIs, keys, addresses. */
export function assertUp(stage: Stage): void {
  const { peer } = stage
  assert.equal(peer.ike.phase, 'established', JSON.stringify(peer.events.at(-1)?.type))
  assert.equal(peer.ike.pending, null, 'a request of the client is unanswered')
  const view = stage.view!
  assert.equal(stage.healthy[0]!.control.state.sessions.count, 1, 'sessions')
  assert.equal(view.phase, 'established')
  assert.ok(view.ownerUp)
  assert.ok(stage.healthy.some(({ id, control }) => id === view.gateway && control.incarnation === view.owner))
  assertSameIke(stage, view)
  assertSameChildren(stage, view)
}

/** A peer that has deleted an IKE SA answers nothing under it any more. */
export function hasUnanswered({ context, ikes }: SessionView): boolean {
  const isDeleted = (spi: bigint): boolean => context.ikeSas.some((sa) => sa.deletedAt !== 0 && localIkeSpi(sa) === spi)
  return ikes.some(({ spi, pending }) => pending !== null && !isDeleted(spi))
}

/**
 * IKE SAs that are in use. After rekeyings that crossed not the redundant one that the client has made and, since it never heard the answer and the
 * old IKE SA was deleted, has forgotten (RFC 7296 §2.25.2): the cluster deletes that when it is late.
 */
export function usedIkeSas({ hasCrossed }: Stage, { context }: SessionView): readonly IkeSaContext[] {
  const newest = context.ikeSas.at(-1)
  const isForgotten = (sa: IkeSaContext): boolean => hasCrossed && sa !== newest && !sa.initiatedByUs && !sa.closing && sa.task === null
  return context.ikeSas.filter((sa) => sa.deletedAt === 0 && !isForgotten(sa))
}

function assertSameIke(stage: Stage, view: SessionView): void {
  const { peer } = stage
  assert.deepEqual(
    usedIkeSas(stage, view).map(({ initiatorSpi, responderSpi }) => [initiatorSpi, responderSpi]),
    [[peer.sa.initiatorSpi, peer.sa.responderSpi]],
  )
  assert.equal(hasUnanswered(view), false, 'a request of the cluster is unanswered')
}

function assertSameChildren(stage: Stage, view: SessionView): void {
  const { children } = stage.peer.ike
  const installed = sessionInstall(stage.sealer, view).children
  assert.equal(installed.length, children.length, 'Child SAs')
  assert.equal(new Set(installed.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut])).size, 2 * children.length)
  for (const child of children) {
    const theirs = installed.find(({ spiIn }) => spiIn === child.spiOut)
    assert.ok(theirs !== undefined, `the cluster has no Child SA ${child.spiOut}`)
    assert.equal(theirs.spiOut, child.spiIn)
    assert.deepEqual([toHex(theirs.keyIn), toHex(theirs.keyOut)], [toHex(child.keyOut), toHex(child.keyIn)])
    assertTalks(view, child, theirs)
  }
}

/** What either side seals the other one opens. */
function assertTalks({ context }: SessionView, ours: ClientChild, theirs: ChildInstall): void {
  const [address] = context.virtualIps
  const [behind] = ours.remoteTs
  assert.ok(address !== undefined && behind !== undefined)
  const up = { source: address, destination: behind.start, key: ours.keyOut, other: theirs.keyIn, spi: ours.spiOut }
  const down = { source: behind.start, destination: address, key: theirs.keyOut, other: ours.keyIn, spi: theirs.spiOut }
  for (const { source, destination, key, other, spi } of [up, down]) {
    const inner = buildUdpPacket({ source, destination, sourcePort: 1, destinationPort: 2, payload: Uint8Array.of(1, 2, 3) })
    assert.equal(toHex(through(ours, theirs, inner, { key, other, spi })), toHex(inner))
  }
}

function through(
  ours: ClientChild,
  theirs: ChildInstall,
  inner: Bytes,
  { key, other, spi }: { readonly key: Bytes; readonly other: Bytes; readonly spi: number },
): Bytes {
  const crypto = createEspCrypto(new SeededRandom(3))
  const packet = encapsulate(crypto.cipher(ours.suite, key)!, spi, 1, inner)
  const opener = crypto.cipher(theirs.suite, other)!
  assert.ok(opener.open(packet, 0), 'the ICV is wrong')
  const opened = innerPacket(opener, packet)
  assert.ok(typeof opened !== 'string', String(opened))
  return opened
}

/** The client has closed, and in the agreed state nothing of the session is left but what repeats its last answer. */
export function assertGone(stage: Stage): void {
  assert.equal(stage.peer.ike.phase, 'closed')
  assert.equal(stage.peer.events.at(-1)!.type, 'closed')
  const { view } = stage
  if (view === null) return
  assert.equal(view.phase, 'tombstone')
  assert.deepEqual([view.children, view.context.virtualIps, view.context.identity], [[], [], null])
  assert.equal(sessionByAddress(stage.healthy[0]!.control.state, Uint8Array.of(10, 77, 0, 1)), null)
}
