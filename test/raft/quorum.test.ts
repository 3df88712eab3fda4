import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Configuration } from '../../raft/quorum.ts'
import { hasQuorum, quorumIndex, voteResult } from '../../raft/quorum.ts'

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const voters = fc.subarray(ids, { minLength: 1 })
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
      const candidates = Array.from({ length: 21 }, (_, index) => index)
      const highest = candidates.filter((index) => countsAsQuorum(configuration, (id) => match(id) >= index)).at(-1)
      assert.equal(quorumIndex(configuration, match), highest)
    }),
  )
})

test('an election is won by a quorum of votes, lost when none is possible any more, else open', () => {
  fc.assert(
    fc.property(configurations, fc.array(fc.option(fc.boolean()), { minLength: 7, maxLength: 7 }), (configuration, votes) => {
      const vote = (id: string): boolean | undefined => votes[ids.indexOf(id)] ?? undefined
      const isWon = countsAsQuorum(configuration, (id) => vote(id) === true)
      const isOpen = countsAsQuorum(configuration, (id) => vote(id) !== false)
      assert.equal(voteResult(configuration, vote), isWon ? 'won' : isOpen ? 'pending' : 'lost')
    }),
  )
})

test('without voters there is no quorum', () => {
  assert.equal(
    hasQuorum({ voters: [], outgoingVoters: null, learners: ['a'] }, () => true),
    false,
  )
})
