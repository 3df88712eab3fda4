/**
 * Faults of one line that a Raft implementation may well have: each is seen by the raft-only world within a bounded number of seeds. Where a
 * fault shows only when a second rule that stands behind the first fails too, both are patched.
 *
 * Left out, for nobody can tell them from the program:
 * - the own vote counts before it is durable: votes are asked for only afterwards, so none comes before (the first mutant asks early, too);
 * - compaction beyond what is durable: batches are written in their order, so the entries are there when they are forgotten;
 * - a leader does not forget what one that rejoins had acknowledged: its refusals tell it.
 *
 * Left out, for they need several rare things within a few milliseconds, and no seed of hundreds has them; tests of single servers see them:
 * - the log matters for a pre-vote and not for a vote: most of those that vote have granted the pre-vote a moment before;
 * - an answer of an earlier term counts: the same server must lead twice with another in between, and answers be late by more than that;
 * - a start keeps a log that contradicts the application's state: a crash between taking a snapshot over and beginning the log anew, at a server
 *   whose log has an end of its own there;
 * - who rejoins votes when its log is as long as the target, and another leader's: that leader's must be longer, and of an earlier term;
 * - who rejoins does not wait for all others, or its leader counts others that rejoin: whom it voted for must be the one that is missing, or two
 *   servers have forgotten and follow a leader that is none any more.
 */

import type { Patch, PatchMutant } from '../mutation/patch.ts'

function mutant(file: string, name: string, ...patches: readonly (readonly [find: string, replace: string])[]): PatchMutant {
  return { name, patches: patches.map(([find, replace]): Patch => ({ file: `raft/${file}.js`, find, replace })) }
}

/** Harmless by itself: a refusal leads back further than it need. Our leader does not, and so never sends an append that matches before a conflict. */
const overshoot = [': meeting + 1)', ': Math.max(1, meeting - 2))'] as const

export const raftMutants: readonly PatchMutant[] = [
  // Elections (§5.2, §5.4.1)
  mutant(
    'election',
    'votes are asked for, and the own one counts, before it is on disk',
    ["sendAfterPersist(raft, peer, { type: 'requestVote'", "send(raft, peer, { type: 'requestVote'"],
    ['votes: new Map(), voteSequence', 'votes: new Map([[raft.id, true]]), voteSequence'],
  ),
  mutant('election', 'a vote is answered before it is on disk', [
    "sendAfterPersist(raft, from, { type: 'requestVoteResponse'",
    "send(raft, from, { type: 'requestVoteResponse'",
  ]),
  mutant('election', 'a server votes twice in a term', ['raft.votedFor !== null && raft.votedFor !== from', 'false']),
  mutant(
    'state',
    'a vote is forgotten though the term is the same',
    ['if (term > raft.currentTerm)\n        setTerm(raft, term, null)', 'setTerm(raft, term, null)'],
    ['term > raft.currentTerm || raft.votedFor === null || raft.votedFor === votedFor', 'true'],
  ),
  mutant('state', 'a vote is kept in the next term', ['raft.votedFor = votedFor', 'raft.votedFor ??= votedFor']),
  mutant('state', 'term and vote are not written', ['raft.outbox.hardStateChanged = true', '']),
  mutant('log', 'logs are compared by their length only (§5.4.1)', ['if (lastLogTerm !== this.lastTerm)', 'if (false)']),
  mutant('log', 'logs are compared by their last term only (§5.4.1)', ['return lastLogIndex >= this.lastIndex', 'return true']),
  mutant('election', 'a pre-vote is granted while a leader is heard (thesis §9.6)', [
    'isNewer && isUpToDate && !hearsLeader(raft)',
    'isNewer && isUpToDate',
  ]),
  mutant('election', 'no pre-vote', ['return;\n    startPreVote(raft)', 'return;\n    startElection(raft, false)']),
  mutant('replication', 'no check-quorum (thesis §6.2)', [
    'isDiskStalled(raft) || !hasQuorum(raft.configuration, isAnswering)',
    'isDiskStalled(raft)',
  ]),
  mutant('replication', 'a leader whose disk hangs goes on', [
    'isDiskStalled(raft) || !hasQuorum(raft.configuration, isAnswering)',
    '!hasQuorum(raft.configuration, isAnswering)',
  ]),
  mutant('quorum', 'half of an even number is a majority', [
    'sorted[Math.floor(voters.length / 2)]',
    'sorted[Math.ceil(voters.length / 2) - 1]',
  ]),

  // Replication (§5.3, §5.4.2)
  mutant('replication', 'an entry of an earlier term is committed by counting (figure 8)', [
    'index <= raft.commitIndex || raft.log.term(index) !== raft.currentTerm',
    'index <= raft.commitIndex',
  ]),
  mutant(
    'replication',
    'commitIndex = leaderCommit, whatever the append has brought',
    ['Math.min(message.leaderCommit, index)', 'Math.min(message.leaderCommit, raft.log.lastIndex)'],
    overshoot,
  ),
  mutant('replication', 'an append that matches truncates', [
    'if (term === entry.term ||',
    'if ((term === entry.term && entry.index <= raft.commitIndex) ||',
  ]),
  mutant('replication', 'an append is taken if there is an entry at prevLogIndex, of whatever term', [
    'raft.log.term(message.prevLogIndex) !== message.prevLogTerm',
    'raft.log.term(message.prevLogIndex) === null',
  ]),
  mutant(
    'replication',
    'an append acknowledges the whole log',
    ['acknowledge(raft, from, Math.max(index, raft.commitIndex))', 'acknowledge(raft, from, raft.log.lastIndex)'],
    overshoot,
  ),
  mutant('replication', 'an append is acknowledged before it is on disk', [
    "sendAfterPersist(raft, leader, { type: 'appendEntriesResponse', term, success: true",
    "send(raft, leader, { type: 'appendEntriesResponse', term, success: true",
  ]),
  mutant('replication', 'a leader counts its own entries before they are on disk', ['raft.durableIndex : (', 'raft.log.lastIndex : (']),
  mutant('state', 'what was truncated still counts as durable', ['raft.durableIndex = Math.min(raft.durableIndex, index - 1)', '']),
  mutant('state', 'a completed write makes an entry durable that has replaced what was written', [
    'write.lastIndex = Math.min(write.lastIndex, index - 1)',
    '',
  ]),
  mutant('effects', 'of two batches written as one the vote of the earlier is lost', [
    'hardState: later.hardState ?? earlier.hardState',
    'hardState: later.hardState',
  ]),
  mutant('effects', 'of two batches written as one the entries of the earlier are lost', ['[...kept, ...later.entries]', 'later.entries']),
  mutant('replication', 'a heartbeat tells more than the follower is known to have', [
    'const commitIndex = Math.min(progress.matchIndex, raft.commitIndex);\n    const roundTripMs',
    'const commitIndex = raft.commitIndex;\n    const roundTripMs',
  ]),
  mutant('progress', 'a late acknowledgement moves matchIndex back', [
    'this.matchIndex = Math.max(this.matchIndex, index)',
    'this.matchIndex = index',
  ]),
  mutant('replication', 'a refusal does not lead back far enough', [': meeting + 1)', ': meeting + 2)']),
  mutant('replication', 'a probe that was lost is not sent again', ['progress.probeSent = false', '']),
  mutant('progress', 'what was acknowledged stays in the window', [
    'this.#inflightOctets -= this.#inflight.shift().octets',
    'this.#inflight.shift()',
  ]),

  // Reads (thesis §6.4)
  mutant('read-index', 'a new leader reads before it has committed in its term', [
    'reads.confirming !== null || raft.log.term(raft.commitIndex) !== raft.currentTerm',
    'reads.confirming !== null',
  ]),
  mutant('read-index', 'any acknowledgement confirms a read', ['>= confirming.round', '> 0']),
  mutant('read-index', 'a leader reads without asking', ['if (!hasQuorum(raft.configuration, hasAcknowledged))', 'if (false)']),
  mutant('read-index', 'a read joins a round that has begun', [
    'raft.reads.waiting.push(waiting)',
    '(raft.reads.confirming?.reads ?? raft.reads.waiting).push(waiting)',
  ]),

  // Leadership transfer (thesis §3.10)
  mutant('leadership-transfer', 'TimeoutNow is sent before the target has the whole log', [
    ' && progress.get(transfer.to)?.matchIndex === raft.log.lastIndex',
    '',
  ]),
  mutant('proposals', 'proposals are taken while leadership is handed over', ['if (leader.transfer !== null)', 'if (false)']),
  mutant('leadership-transfer', 'a transfer is never given up', ['raft.phase.transfer = null', '']),
  mutant('leadership-transfer', 'a server that does not vote campaigns when it is told to', ['!follows || !mayCampaign(raft)', '!follows']),

  // Proposals
  mutant('proposals', 'a copy of a forwarded proposal is appended again', [
    'if (message.id <= (raft.forwarded.get(from)?.get(lifeOf(message.id))?.[message.priority] ?? 0))',
    'if (false)',
  ]),
  mutant('proposals', 'a forwarded proposal of an earlier term is taken', ["'leader' && message.term === raft.currentTerm)", "'leader')"]),

  // Snapshots (§7)
  mutant('snapshot', 'a log that contradicts the snapshot is kept', [
    'if (raft.log.term(index) !== term) {',
    'if (raft.log.term(index) === null) {',
  ]),
  mutant('snapshot', 'a snapshot replaces a log that goes on after it', ['if (raft.log.term(index) !== term) {', 'if (true) {']),

  // Disks that forget (standing.ts)
  mutant('election', 'a server votes whatever it has forgotten', [
    "message.term < raft.currentTerm || raft.standing.type !== 'member'",
    'message.term < raft.currentTerm',
  ]),
  mutant('standing', 'a server votes before it has asked what others know of it', ["isConfirmed ? 'member' : 'unconfirmed'", "'member'"]),
  mutant('standing', 'a recall is answered before the life is on disk', [
    "sendAfterPersist(raft, from, { type: 'recallResponse'",
    "send(raft, from, { type: 'recallResponse'",
  ]),
  mutant('standing', 'who rejoins votes in the term in which it has caught up', [
    'if (raft.votedFor === null)\n        setTerm(raft, raft.currentTerm, raft.id)',
    '',
  ]),
  mutant(
    'standing',
    'who rejoins votes before it has caught up',
    [' || raft.durableIndex < standing.target.index', ''],
    ['if (!holdsTarget(raft, standing.target))', 'if (false)'],
  ),
  mutant('replication', 'who may have forgotten in which term it voted acknowledges', [
    "if (raft.standing.type !== 'member')\n        sendAfterPersist(raft, leader, { type: 'entriesHeld'",
    "if (false)\n        sendAfterPersist(raft, leader, { type: 'entriesHeld'",
  ]),
  mutant('replication', 'entries are committed that are held by who does not vote', [
    'progress.held(message.index)',
    'progress.acknowledged(message.index)',
  ]),
  mutant('read-index', 'who may have forgotten in which term it voted confirms a read', ['?.memberRound', '?.acknowledgedRound']),

  // Membership (§6, thesis §4)
  mutant('membership-change', 'a change is completed before its first entry is committed', [
    'raft.configuration.outgoingVoters !== null && committed.membership === raft.configuration',
    'raft.configuration.outgoingVoters !== null',
  ]),
  mutant('quorum', 'during a change only the new voters are asked', ['if (configuration.outgoingVoters === null)', 'if (true)']),
  mutant('quorum', 'during a change only the old voters are asked', [
    'return Math.min(incoming, majorityIndex(configuration.outgoingVoters, matchIndex))',
    'return majorityIndex(configuration.outgoingVoters, matchIndex)',
  ]),
  mutant('quorum', 'learners count', [
    'majorityIndex(configuration.voters, matchIndex)',
    'majorityIndex([...configuration.voters, ...configuration.learners], matchIndex)',
  ]),
  mutant('configurations', 'a configuration counts only once it is committed', [
    'const latest = raft.configurations.at(-1)',
    'const latest = committedConfiguration(raft)',
  ]),
  mutant('configurations', 'a server starts with the configuration that its log began with', [
    "[base, ...entries.filter(({ kind }) => kind === 'configuration').map(placed)]",
    '[base]',
  ]),
  mutant('state', 'a configuration stays in force though its entry was truncated', ['configurationsTruncated(raft, index)', '']),
  mutant('snapshot', 'with a snapshot its configuration is forgotten', ['configurationsReset(raft, index, configuration)', '']),
  mutant('start', 'a snapshot that was taken over before a crash has no configuration', [
    'isLogReset ? applied?.configuration :',
    'isLogReset ? null :',
  ]),
  mutant('snapshot', 'with what is compacted the configuration is forgotten', [
    'configuration: configurationAt(raft, to)',
    'configuration: null',
  ]),
  {
    name: 'who is not in its latest configuration campaigns no more (thesis §4.2.2)',
    patches: [
      {
        file: 'raft/configurations.js',
        find: 'raft.configurations.some(({ index, membership }) => index >= committed && isVoter(membership, raft.id))',
        replace: 'isVoter(raft.configuration, raft.id)',
      },
      // Who is asked for its vote does so all the same.
      { file: 'raft/election.js', find: '!mayCampaign(raft) && !isWanted(raft)', replace: '!mayCampaign(raft)' },
    ],
  },
  mutant('membership-change', 'a change is completed only by the leader that began it', [
    'isJointCommitted && hasCommitted',
    'isJointCommitted && hasCommitted && raft.phase.lastChange !== null',
  ]),
  mutant('membership', 'voters are removed though too few of the rest are heard', [
    "if (!hasQuorum(next, (id) => view.isHeard(id)))\n        return 'wouldLoseQuorum'",
    '',
  ]),
]
