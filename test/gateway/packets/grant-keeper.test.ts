import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { createEspCrypto } from '../../../src/crypto/node-esp-crypto.ts'
import type { FromPackets, SessionInstall } from '../../../src/gateway/packet-messages.ts'
import { GrantKeeper } from '../../../src/gateway/packets/grant-keeper.ts'
import { OwnedSession } from '../../../src/gateway/packets/owned-session.ts'
import { QueueBudget } from '../../../src/gateway/packets/packet-queue.ts'
import { SeededRandom } from '../../../src/kit/random.ts'

const crypto = createEspCrypto(new SeededRandom(1))
const waits = { budget: new QueueBudget(1e6), limitWaitMs: 900 }
const endpoint = { address: Uint8Array.of(10, 0, 0, 1), port: 4500 }

function install(session: number, children: readonly number[], rest: Partial<SessionInstall> = {}): SessionInstall {
  return {
    session,
    epoch: 1,
    since: 1,
    serial: 0,
    local: endpoint,
    remote: endpoint,
    follow: true,
    virtualIps: [],
    children: children.map((spiIn) => ({
      spiIn,
      spiOut: spiIn,
      suite: { encr: 20, keyBits: 128, integ: 0, esn: 0 },
      keyIn: new Uint8Array(20),
      keyOut: new Uint8Array(20),
      localTs: [],
      remoteTs: [],
      start: 1,
      ceiling: { base: 4096, rate: 0, tick: 0 },
      floor: 0,
      horizon: { base: 0, rate: 0, tick: 0 },
      window: { highest: 0, seen: null },
    })),
    ...rest,
  }
}

type Advance = Extract<FromPackets, { type: 'advance' }>

function keeper(): { keeper: GrantKeeper; advances: Advance[] } {
  const advances: Advance[] = []
  return { keeper: new GrantKeeper(50, (advance) => void advances.push(advance)), advances }
}

test('a proposal holds at most 4096 records and as many renewals; the tick is in the first', () => {
  const { keeper: grants, advances } = keeper()
  grants.step(1000)
  for (let i = 1; i <= 5000; i++) {
    const session = new OwnedSession(install(i, [i]), crypto, waits)
    grants.touch(session)
    const child = session.children[0]!
    child.meterIn.count()
    grants.askForHorizon(child, 3, 1001)
  }
  grants.step(1025)
  deepEqual(
    advances.map(({ tick, grants: records }) => [tick, records.length]),
    [
      [1, 4096],
      [0, 904],
    ],
  )
})

test('records that packets wait for go out together, once a millisecond', () => {
  const { keeper: grants, advances } = keeper()
  const sessions = [1, 2, 3].map((i) => new OwnedSession(install(i, [i]), crypto, waits))
  for (const [i, session] of sessions.entries()) {
    grants.askForHorizon(session.children[0]!, 1, 1000 + i / 10)
    grants.flush(1000 + i / 10)
  }
  equal(advances.length, 1)
  grants.flush(1001)
  deepEqual(
    advances.map(({ grants: records }) => records.length),
    [1, 2],
  )
})

test("a rekeyed session's Child SAs share its serials, and stand in one record", () => {
  const { keeper: grants, advances } = keeper()
  grants.step(1000)
  const session = new OwnedSession(install(1, [10, 11]), crypto, waits)
  grants.touch(session)
  for (const child of session.children) child.next = 4000
  grants.step(1025)
  equal(advances.length, 1)
  const [record] = advances[0]!.grants
  equal(record!.serial, 1)
  deepEqual(
    record!.children.map(({ spiIn, ceiling }) => [spiIn, ceiling?.wanted]),
    [
      [10, 4000 + 4096],
      [11, 4000 + 4096],
    ],
  )
})

test('during a rekey the old Child SA sends until the client has used the new one (RFC 7296 §2.8)', () => {
  const session = new OwnedSession(install(1, [10]), crypto, waits)
  session.children[0]!.window.accept(1)
  session.update(install(1, [10, 11]))
  const spi = (): number | undefined => session.outboundChild(() => true)?.spiIn
  equal(spi(), 10)
  session.children[1]!.window.accept(1)
  equal(spi(), 11)
  session.update(install(1, [11]))
  equal(spi(), 11)
  session.update(install(1, [12]))
  equal(spi(), 12)
  equal(
    session.outboundChild(() => false),
    null,
  )
})

test('a Child SA with unknown algorithms is not carried; one with extended sequence numbers is', () => {
  const wanted = install(1, [10, 11, 12])
  const children = wanted.children.map((child, i) => {
    if (i === 0) return { ...child, suite: { ...child.suite, esn: 1 as const } }
    return i === 1 ? { ...child, suite: { ...child.suite, encr: 23 } } : child
  })
  const session = new OwnedSession({ ...wanted, children }, crypto, waits)
  deepEqual(
    session.children.map(({ spiIn }) => spiIn),
    [10, 12],
  )
})

test('an install of the same tenure keeps counters and windows, and what is not named is gone (rule 10)', () => {
  const session = new OwnedSession(install(1, [10, 11]), crypto, waits)
  const [, kept] = session.children
  kept!.next = 77
  kept!.window.accept(5)
  session.update(install(1, [11, 12]))
  deepEqual(
    session.children.map(({ spiIn, next, window }) => [spiIn, next, window.highest]),
    [
      [11, 77, 5],
      [12, 1, 0],
    ],
  )
})

test('an install of the same tenure and a newer epoch unfreezes, one of the same epoch does not', () => {
  const session = new OwnedSession(install(1, [10]), crypto, waits)
  session.frozen = true
  session.children[0]!.stopAt(0, 5)
  session.update(install(1, [10]))
  ok(session.frozen)
  equal(session.children[0]!.stop, 0)
  session.update(install(1, [10], { epoch: 2 }))
  ok(!session.frozen)
  equal(session.children[0]!.stop, Infinity)
})

test('a client that moved is not sent back by an install that does not know it yet; one that names a new place moves it', () => {
  const session = new OwnedSession(install(1, [10]), crypto, waits)
  const nat = { address: endpoint.address, port: 60_000 }
  session.moved(nat)
  const inFlight = session.nextSerial()
  session.update(install(1, [10]))
  deepEqual(session.remote, nat)
  const mobike = { address: Uint8Array.of(10, 0, 0, 2), port: 4500 }
  session.update(install(1, [10], { remote: mobike }))
  deepEqual(session.remote, mobike)
  // The record that says `nat` may be applied after that: one more has to say where the client is.
  session.granted({ session: 1, epoch: 1, serial: inFlight, children: [] })
  ok(session.hasMoved)
  session.granted({ session: 1, epoch: 1, serial: session.nextSerial(), children: [] })
  ok(!session.hasMoved)
})

test('a client that went back where it was when it was installed is followed there by an install, once its move is agreed', () => {
  const session = new OwnedSession(install(1, [10]), crypto, waits)
  session.moved({ address: endpoint.address, port: 60_000 })
  session.granted({ session: 1, epoch: 1, serial: session.nextSerial(), children: [] })
  session.update(install(1, [10]))
  deepEqual(session.remote, endpoint)
})

test('a session without traffic and with nothing ahead of it is no longer looked at', () => {
  const { keeper: grants, advances } = keeper()
  const session = new OwnedSession(install(1, [10]), crypto, waits)
  grants.touch(session)
  for (let ms = 1000; ms < 1400; ms += 5) grants.step(ms)
  equal(grants.activeCount, 0)
  const before = advances.length
  for (let ms = 1400; ms < 3000; ms += 5) grants.step(ms)
  equal(advances.length, before)
})
