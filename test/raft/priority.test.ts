import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Message } from '../../raft/message.ts'
import type { ProposalPriority, SendPriority } from '../../raft/priority.ts'
import { byPriority, shareOf } from '../../raft/priority.ts'
import { SendQueue } from '../../raft/send-queue.ts'
import { appended, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const priorities: readonly ProposalPriority[] = [0, 1, 2]
const three = ['a', 'b', 'c']
const priority = fc.constantFrom<ProposalPriority>(0, 1, 2)

function leaderWithBound(maxUncommittedOctets: number): SteppedServer {
  const server = new SteppedServer('a', three, 0, [], null, { maxUncommittedOctets })
  server.lead(['b'])
  server.receive('b', appended(1, 1))
  return server
}

/** How many proposals of `octets` each the leader takes one after the other. */
function fill(server: SteppedServer, priority: ProposalPriority, octets: number): number {
  for (let taken = 0; ; taken++) {
    const proposals = [{ id: taken, kind: 'command' as const, priority, data: new Uint8Array(octets) }]
    if (server.step({ type: 'propose', proposals }).outcomes[0]!.type === 'dropped') return taken
  }
}

test('as the uncommitted log fills up, new sessions are dropped at half of it, exchanges at three quarters, leases and takeovers at its end', () => {
  for (const [priority, share] of [[0, 1] as const, [1, 0.75] as const, [2, 0.5] as const]) {
    const taken = fill(leaderWithBound(100_000), priority, 96)
    // An entry is up to 18 octets longer than its data.
    assert.ok(taken * 96 <= share * 100_000 && (taken + 1) * 114 > share * 100_000, `priority ${priority}: ${taken} of 96 octets`)
  }
})

test('what a less important flood has left over is there for the more important, locally and forwarded', () => {
  const leader = leaderWithBound(10_000)
  const counts = [fill(leader, 2, 400), fill(leader, 1, 400), fill(leader, 0, 400)]
  assert.ok(
    counts.every((count) => count > 0),
    `taken: ${counts.join()}`,
  )
  const answers = (priority: ProposalPriority): number => {
    const forward: Message = { type: 'forward', term: 1, id: 10 + priority, kind: 'command', priority, data: new Uint8Array(400) }
    const [answer] = messagesTo(leader.receive('b', forward).send, 'b').filter(({ type }) => type === 'forwardResponse')
    return answer?.type === 'forwardResponse' ? answer.index : -1
  }
  assert.deepEqual(priorities.map(answers), [0, 0, 0])
  leader.persisted()
  leader.receive('b', appended(1, leader.raft.log.lastIndex))
  const { lastIndex } = leader.raft.log
  assert.equal(answers(1), -1)
  assert.equal(leader.raft.log.lastIndex, lastIndex)
})

test('a forwarded proposal that overtook one of another priority does not make that one a copy', () => {
  const leader = leaderWithBound(10_000)
  const forward = (id: number, priority: ProposalPriority): Message => ({
    type: 'forward',
    term: 1,
    id,
    kind: 'command',
    priority,
    data: new Uint8Array(1),
  })
  for (const message of [forward(6, 0), forward(5, 2), forward(5, 2), forward(4, 2)]) leader.receive('b', message)
  assert.equal(leader.raft.log.lastIndex, 3)
})

test('what waits is ordered by priority, and by its place among those of one', () => {
  fc.assert(
    fc.property(fc.array(priority), (drawn) => {
      const items = drawn.map((priority, place) => ({ priority, place }))
      const ordered = byPriority(items)
      const expected = priorities.flatMap((each) => items.filter(({ priority }) => priority === each))
      assert.deepEqual(ordered, expected)
    }),
  )
  assert.deepEqual(
    priorities.map((each) => shareOf(1000, each)),
    [1000, 750, 500],
  )
})

test('a connection takes first what has no priority, then by priority, then parts of snapshots, each in its order', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<SendPriority>(null, 0, 1, 2, 'bulk')), (drawn) => {
      const queue = new SendQueue(1_000_000)
      drawn.forEach((priority, i) => queue.push([Uint8Array.of(i >> 8, i)], priority))
      const taken: number[] = []
      for (let parts = queue.shift(); parts !== null; parts = queue.shift()) taken.push(parts[0]![0]! * 256 + parts[0]![1]!)
      assert.deepEqual(
        taken,
        [null, ...priorities, 'bulk' as const].flatMap((each) => drawn.flatMap((priority, i) => (priority === each ? [i] : []))),
      )
      assert.equal(queue.isEmpty, true)
      assert.equal(queue.octets, 0)
    }),
  )
})

test('while a connection is to take no bulk, parts of snapshots wait, and nothing waits for them', () => {
  const queue = new SendQueue(1000)
  queue.push([Uint8Array.of(1)], 'bulk')
  assert.equal(queue.shift(false), null)
  queue.push([Uint8Array.of(2)], 2)
  queue.push([Uint8Array.of(3)])
  const taken = [queue.shift(false), queue.shift(false), queue.shift(false), queue.shift(), queue.shift()]
  assert.deepEqual(
    taken.map((parts) => parts?.[0]![0]),
    [3, 2, undefined, 1, undefined],
  )
})

test('when too much waits for a connection, the oldest of the least important goes first', () => {
  const queue = new SendQueue(30)
  const push = (name: number, priority: ProposalPriority | null): void => queue.push([Uint8Array.of(name), new Uint8Array(9)], priority)
  queue.push([new Uint8Array(10)], 'bulk')
  push(1, 2)
  push(2, 0)
  push(3, 2)
  push(4, null)
  push(5, 0)
  assert.equal(queue.dropped, 3)
  const left: number[] = []
  for (let parts = queue.shift(); parts !== null; parts = queue.shift()) left.push(parts[0]![0]!)
  assert.deepEqual(left, [4, 2, 5])
  push(6, 2)
  push(7, 1)
  queue.clear()
  assert.deepEqual([queue.dropped, queue.octets, queue.isEmpty], [5, 0, true])
})
