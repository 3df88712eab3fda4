/**
 * Quorum arithmetic beside a slow twin that counts heads: at random, with names in any order, and exhaustively for up to seven servers.
 *
 * Exhaustively means: every server is in neither set of voters, in the incoming one, in the outgoing one, or in both, and either has what is
 * asked for or has not; that makes 7 cases a server, and 7^7 of them all. With three votes or more values there are too many; there names do
 * not matter, so it is enough how many servers are in one set, in the other, and in both: 112 configurations for all pairs of sets.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Configuration } from '../../raft/quorum.ts'
import { hasQuorum, quorumIndex, voteResult } from '../../raft/quorum.ts'

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const voters = fc.shuffledSubarray(ids, { minLength: 1 })
const configurations = fc.record({ voters, outgoingVoters: fc.option(voters), learners: fc.constant([]) })

/** The twin: counts heads. */
function countsAsQuorum(configuration: Configuration, has: (id: string) => boolean): boolean {
  const sets = configuration.outgoingVoters === null ? [configuration.voters] : [configuration.voters, configuration.outgoingVoters]
  return sets.every((set) => 2 * set.filter(has).length > set.length)
}

test('a quorum is a majority, of both sets during a joint change (§6)', () => {
  fc.assert(
    fc.property(configurations, fc.subarray(ids), (configuration, present) => {
      const has = (id: string): boolean => present.includes(id)
      assert.equal(hasQuorum(configuration, has), countsAsQuorum(configuration, has))
    }),
  )
})

test('the quorum index is the highest that a quorum has', () => {
  fc.assert(
    fc.property(configurations, fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 7, maxLength: 7 }), (configuration, matches) => {
      const match = (id: string): number => matches[ids.indexOf(id)]!
      assert.equal(quorumIndex(configuration, match), twinIndex(configuration, match, 20))
    }),
  )
})

function twinIndex(configuration: Configuration, match: (id: string) => number, max: number): number {
  for (let index = max; index > 0; index--) if (countsAsQuorum(configuration, (id) => match(id) >= index)) return index
  return 0
}

test('an election is won by a quorum of votes, lost when none is possible any more, else open', () => {
  fc.assert(
    fc.property(configurations, fc.array(fc.option(fc.boolean()), { minLength: 7, maxLength: 7 }), (configuration, votes) => {
      const vote = (id: string): boolean | undefined => votes[ids.indexOf(id)] ?? undefined
      assert.equal(voteResult(configuration, vote), twinResult(configuration, vote))
    }),
  )
})

function twinResult(configuration: Configuration, vote: (id: string) => boolean | undefined): string {
  if (countsAsQuorum(configuration, (id) => vote(id) === true)) return 'won'
  return countsAsQuorum(configuration, (id) => vote(id) !== false) ? 'pending' : 'lost'
}

test('without voters there is no quorum', () => {
  assert.equal(
    hasQuorum({ voters: [], outgoingVoters: null, learners: ['a'] }, () => true),
    false,
  )
})

/** Calls `visit` with every way to choose one of `count` cases for each of `length` places; the array is used again. */
function eachChoice(length: number, count: number, visit: (choice: readonly number[]) => void): void {
  const choice = Array.from({ length }, () => 0)
  for (;;) {
    visit(choice)
    let place = 0
    while (place < length && choice[place] === count - 1) choice[place++] = 0
    if (place === length) return
    choice[place]!++
  }
}

/** Neither in a set, or in one, the other, both, without and with what is asked for. */
const cases = [
  { isIncoming: false, isOutgoing: false, has: false },
  ...[false, true].flatMap((has) => [
    { isIncoming: true, isOutgoing: false, has },
    { isIncoming: false, isOutgoing: true, has },
    { isIncoming: true, isOutgoing: true, has },
  ]),
]

test('every pair of sets of up to seven voters, whoever of them has it: a quorum or not', () => {
  let count = 0
  let quorums = 0
  eachChoice(7, cases.length, (choice) => {
    const incoming: string[] = []
    const outgoing: string[] = []
    // Of each set: those that have it, less those that have not.
    let [lead, outgoingLead] = [0, 0]
    choice.forEach((chosen, i) => {
      const { isIncoming, isOutgoing, has } = cases[chosen]!
      if (isIncoming) incoming.push(ids[i]!)
      if (isOutgoing) outgoing.push(ids[i]!)
      if (isIncoming) lead += has ? 1 : -1
      if (isOutgoing) outgoingLead += has ? 1 : -1
    })
    const has = (id: string): boolean => cases[choice[ids.indexOf(id)]!]!.has
    const configuration: Configuration = { voters: incoming, outgoingVoters: outgoing.length === 0 ? null : outgoing, learners: [] }
    const expected = lead > 0 && (outgoing.length === 0 || outgoingLead > 0)
    if (hasQuorum(configuration, has) !== expected) assert.fail(`${JSON.stringify(configuration)}, ${ids.filter(has).join()}: ${!expected}`)
    count++
    quorums += expected ? 1 : 0
  })
  assert.equal(count, 7 ** 7)
  assert.ok(quorums > 50_000, `only ${quorums} quorums`)
})

/** All pairs of sets of voters up to names: so many in the incoming one alone, in the outgoing one alone, in both. */
function pairsOfSets(): Configuration[] {
  const pairs: Configuration[] = []
  for (let incoming = 0; incoming <= 7; incoming++) {
    for (let outgoing = 0; incoming + outgoing <= 7; outgoing++) {
      for (let both = 0; incoming + outgoing + both <= 7; both++) {
        if (incoming + both === 0) continue
        const [first, second] = [ids.slice(0, incoming + both), ids.slice(incoming, incoming + both + outgoing)]
        pairs.push({ voters: first, outgoingVoters: second.length === 0 ? null : second, learners: [] })
      }
    }
  }
  return pairs
}

function serversOf({ voters, outgoingVoters }: Configuration): string[] {
  return [...new Set([...voters, ...(outgoingVoters ?? [])])]
}

test('every pair of sets of up to seven voters, every vote of theirs: won, lost or open', () => {
  const results = new Map<string, number>()
  for (const configuration of pairsOfSets()) {
    const servers = serversOf(configuration)
    eachChoice(servers.length, 3, (choice) => {
      const vote = (id: string): boolean | undefined => [true, false, undefined][choice[servers.indexOf(id)]!]
      const result = voteResult(configuration, vote)
      if (result !== twinResult(configuration, vote)) assert.fail(`${JSON.stringify(configuration)}, votes ${choice.join()}: ${result}`)
      results.set(result, (results.get(result) ?? 0) + 1)
    })
  }
  for (const result of ['won', 'lost', 'pending']) assert.ok((results.get(result) ?? 0) > 5_000, `${result}: ${results.get(result)} times`)
})

// Indexes are only compared, so it matters which are below, at and above the one in question: with four values of an index each of two sets
// has room for a quorum's index of its own, and for one above and one below it.
test('every pair of sets of up to seven voters, every order of their indexes: the highest that a quorum has', () => {
  let count = 0
  for (const configuration of pairsOfSets()) {
    const servers = serversOf(configuration)
    eachChoice(servers.length, 4, (choice) => {
      if (!isLeastOfItsKind(configuration, servers, choice)) return
      const match = (id: string): number => choice[servers.indexOf(id)]!
      const index = quorumIndex(configuration, match)
      if (index !== twinIndex(configuration, match, 3)) assert.fail(`${JSON.stringify(configuration)}, ${choice.join()}: ${index}`)
      count++
    })
  }
  assert.ok(count > 40_000, `only ${count} cases`)
})

/** Whether the indexes rise among servers that are in the same sets: who of them has which does not matter. */
function isLeastOfItsKind({ voters, outgoingVoters }: Configuration, servers: readonly string[], choice: readonly number[]): boolean {
  const kindOf = (id: string): number => (voters.includes(id) ? 1 : 0) + (outgoingVoters?.includes(id) === true ? 2 : 0)
  return servers.every((id, i) => i === 0 || kindOf(id) !== kindOf(servers[i - 1]!) || choice[i]! >= choice[i - 1]!)
}
