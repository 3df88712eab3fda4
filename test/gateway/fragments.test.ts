import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TrafficSelector } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { FragmentedMessages } from '../../src/gateway/ike/fragments.ts'
import { peekHeader } from '../../src/ike/wire/header.ts'
import { maximumFragments } from '../../src/ike/wire/fragment.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { kill } from '../support/takeover-steps.ts'

const wanted: TrafficSelector[] = Array.from({ length: 16 }, (_, i) => {
  const start = Uint8Array.of(10, 50, 0, 16 * i)
  return { protocol: 0, startPort: 0, endPort: 65_535, start, end: Uint8Array.of(10, 50, 0, 16 * i + 3) }
})

/** Both sides have to fragment IKE_AUTH; the client is past IKE_SA_INIT and its request's fragments wait in `sent`. */
function cluster(): { all: ControlCluster; client: TestClient; fragments: TestClient['sent'] } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.limits = { ...all.limits, fragmentSize: 400 }
  for (const id of all.ids) all.restart(id)
  all.settle()
  all.configure()
  const client = all.client(() => [...all.members.keys()].at(-1)!, { fragmentOctets: 300, remoteTs: wanted })
  client.start()
  client.isLive = false
  all.settle()
  const fragments = client.sent.slice(1)
  assert.ok(fragments.length > 2, `${fragments.length} fragments`)
  return { all, client, fragments }
}

function ownerOf(all: ControlCluster, client: TestClient): string {
  return ownership(all.state(), client.session)!.gateway
}

test('fragments of one message reach several gateways: the owner gets them all', () => {
  const { all, client, fragments } = cluster()
  for (const [i, fragment] of fragments.entries()) client.deliver(all.ids[i % 3]!, fragment)
  assert.equal(all.waiting('commit-exchange').length, 1)
  all.settle()
  assert.notEqual(client.client.tunnel, null)
})

test('the owner dies between two fragments: the client repeats all of them, and the next owner does the exchange', () => {
  const { all, client, fragments } = cluster()
  const owner = ownerOf(all, client)
  const [last] = fragments.slice(-1)
  for (const fragment of fragments.slice(0, -1)) client.deliver(owner, fragment)
  kill(all, owner)
  const next = ownerOf(all, client)
  client.deliver(next, last!)
  assert.deepEqual(all.waiting('commit-exchange'), [], 'what the former owner had is gone')
  const before = client.sent.length
  all.pass(4100)
  const again = client.sent.slice(before)
  assert.deepEqual(
    again.map(({ datagram }) => toHex(datagram)),
    fragments.map(({ datagram }) => toHex(datagram)),
  )
  for (const fragment of again) client.deliver(next, fragment)
  all.settle()
  assert.notEqual(client.client.tunnel, null)
})

test('the owner dies before its answer leaves: the next one sends all of its fragments, as they are stored, for the first fragment only', () => {
  const { all, client, fragments } = cluster()
  const owner = ownerOf(all, client)
  for (const fragment of fragments) client.deliver(owner, fragment)
  const before = client.received.length
  client.isListening = false
  all.settle()
  const lost = client.received.slice(before)
  assert.ok(lost.length > 1)
  kill(all, owner)
  const next = ownerOf(all, client)
  for (const fragment of fragments.slice(1)) client.deliver(next, fragment)
  assert.equal(client.received.length, before + lost.length)
  client.isListening = true
  client.deliver(next, fragments[0]!)
  assert.deepEqual(client.received.slice(before + lost.length).map(toHex), lost.map(toHex))
  assert.notEqual(client.client.tunnel, null)
})

test('an exchange that lost its address to another is decided anew from the whole message, not from its last fragment', () => {
  const { all, client, fragments } = cluster()
  const owner = ownerOf(all, client)
  for (const fragment of fragments) client.deliver(owner, fragment)
  const [first] = all.waiting('commit-exchange')
  const taken = decodeSessionContext(first!.command.context!).virtualIps[0]!
  const view = sessionView(all.state(), all.session(owner, 70_000))!
  const { session, epoch, version } = view
  const context = encodeSessionContext({ ...view.context, virtualIps: [taken] })
  const ike = { ikeSpi: view.ikes[0]!.spi, messageId: view.ikes[0]!.expectedRequest }
  all.inject({ ...first!.command, session, epoch, version, ...ike, context })
  all.commit(first!)
  all.applyAll()
  const [second] = all.waiting('commit-exchange')
  assert.notDeepEqual(decodeSessionContext(second!.command.context!).virtualIps[0], taken)
  all.settle()
  assert.notEqual(client.client.tunnel, null)
})

test('what nobody completes is forgotten after a while, and what is too much at once', () => {
  const messages = new FragmentedMessages()
  const header = { ...peekHeader(new Uint8Array(28))!, exchange: 35, messageId: 1 }
  const now = (monotonicMs: number) => ({ monotonicMs, wallMs: 0 })
  const add = (session: number, number: number, atMs: number, octets = 60_000): unknown =>
    messages.add(session, 1n, { header, number, total: maximumFragments, first: 0, inner: new Uint8Array(octets) }, now(atMs))
  add(1, 1, 0)
  add(2, 1, 10_000)
  assert.equal(messages.expire(now(44_000)), 0)
  assert.equal(messages.expire(now(46_000)), 1)
  assert.equal(messages.count, 1)
  for (let session = 10; session < 400; session++) add(session, 1, 47_000)
  assert.ok(messages.count * 60_000 <= 16 * 2 ** 20, `${messages.count}`)
  assert.ok(messages.expire(now(47_000)) > 0)
  for (let session = 1000; session < 9000; session++) add(session, 1, 48_000, 1)
  assert.ok(messages.count <= 4096)
})

test('a new message of a session takes the place of the one that was not completed', () => {
  const messages = new FragmentedMessages()
  const now = { monotonicMs: 0, wallMs: 0 }
  const header = { ...peekHeader(new Uint8Array(28))!, exchange: 35, messageId: 1 }
  const fragment = { header, number: 1, total: 2, first: 33, inner: new Uint8Array(1) }
  assert.equal(messages.add(1, 1n, fragment, now), 'kept')
  assert.equal(messages.add(1, 1n, { ...fragment, header: { ...header, messageId: 2 } }, now), 'kept')
  assert.equal(messages.count, 1)
  assert.equal(messages.add(1, 1n, { ...fragment, number: 2 }, now), 'kept', 'the first message begins anew')
  assert.equal(messages.add(1, 1n, { ...fragment, header: { ...header, flags: 0x20 } }, now), 'kept')
  assert.equal(messages.count, 2, 'one each way')
})
