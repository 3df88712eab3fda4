/**
 * "A server must persist its current term and vote before responding to RPCs" (thesis §3.8), and a follower its entries: seen from outside, in
 * the order of the system calls of a real server process, with its real storage and TLS, while a peer asks one thing at a time.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { decodeMessage, encodeMessage } from '../../raft/codec.ts'
import { TlsTransport } from '../../raft/index.ts'
import { membershipOf } from '../../raft/membership.ts'
import type { Message, Recall } from '../../raft/message.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { TestAuthority } from '../support/certificates.ts'
import { freePorts } from '../support/cluster.ts'
import type { RaftProcessConfig } from '../support/raft-process.ts'
import { append, entriesOf } from '../support/raft-server-steps.ts'
import type { SystemCall } from '../support/strace.ts'
import { parseStrace, straceUnavailable } from '../support/strace.ts'

const options = { skip: await straceUnavailable(), timeout: 100_000 }
const traced = 'fdatasync,fsync,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg'
const receiving = new Set(['read', 'readv', 'recvfrom', 'recvmsg'])
const sending = new Set(['write', 'writev', 'sendto', 'sendmsg'])

const vote = (term: number, lastLogIndex: number, lastLogTerm: number, leadershipTransfer = false): Message => ({
  type: 'requestVote',
  term,
  lastLogIndex,
  lastLogTerm,
  leadershipTransfer,
})

/** What the peer asks for, and each changes what is on disk. */
const requests: readonly Message[] = [
  ...[1, 2, 3, 4].map((term) => vote(term, 0, 0)),
  ...[1, 2, 3, 4].map((index) => append(4, index - 1, index === 1 ? 0 : 4, entriesOf([4], index))),
  // A conflict: the suffix from 3 on is replaced.
  vote(5, 4, 4, true),
  append(5, 2, 4, entriesOf([5], 3)),
  // It campaigns: its own vote is on disk before it asks for others'.
  { type: 'timeoutNow', term: 5 },
]

interface Traced {
  readonly answers: readonly Message[]
  readonly calls: readonly SystemCall[]
  readonly ports: { readonly server: number; readonly peer: number }
}

/** A server under strace, and a peer that asks for one thing after the other. */
async function trace(acknowledgesBeforeWriting: boolean): Promise<Traced> {
  const authority = await TestAuthority.create()
  const [server, peer, absent] = (await freePorts(3)) as [number, number, number]
  const addresses = { a: `127.0.0.1:${server}`, b: `127.0.0.1:${peer}`, c: `127.0.0.1:${absent}` }
  const folder = await mkdtemp(join(tmpdir(), 'evpc-strace-'))
  const config: RaftProcessConfig = {
    id: 'a',
    cluster: 'paris',
    folder: join(folder, 'raft'),
    addresses,
    peer: 'b',
    tls: await authority.issue('paris', 'a'),
    acknowledgesBeforeWriting,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const transport = new TlsTransport({
    id: 'b',
    cluster: 'paris',
    listen: addresses.b,
    peers: { a: addresses.a },
    tls: await authority.issue('paris', 'b'),
    random: new SeededRandom(2),
    pingMs: 3_600_000,
  })
  try {
    const answers = await ask(transport, join(folder, 'config.json'), join(folder, 'strace'))
    return { answers, calls: parseStrace(await readFile(join(folder, 'strace'), 'utf8')), ports: { server, peer } }
  } finally {
    await transport.close()
    await rm(folder, { recursive: true, force: true })
  }
}

const nothingSeen = { seenTerm: 0, seenIndex: 0 }
const configuration = membershipOf({ voters: [], outgoingVoters: null, learners: [] })

/** What a peer says of a server that it hears of for the first time. */
function knowsNothing({ nonce }: Recall): Message {
  return {
    type: 'recallResponse',
    term: 0,
    nonce,
    knownBootCounter: 0,
    knownNonce: 0,
    ...nothingSeen,
    configurationIndex: 0,
    configuration,
  }
}

async function ask(transport: TlsTransport, configFile: string, traceFile: string): Promise<Message[]> {
  const answers: Message[] = []
  let onAnswer = (): void => undefined
  const connected = new Promise<void>((resolve) => {
    void transport.start({
      onMessage: (from, bytes) => {
        const message = decodeMessage(bytes)
        if (message.type === 'recall') transport.send(from, encodeMessage(knowsNothing(message)))
        else answers.push(message)
        if (message.type !== 'recall') onAnswer()
      },
      onPeer: (_peer, state) => {
        if (state === 'connected') resolve()
      },
    })
  })
  const program = [process.execPath, fileURLToPath(new URL('../support/raft-process.js', import.meta.url)), configFile]
  const strace = spawn('strace', ['-f', '-yy', '-s', '8', '-e', `trace=${traced}`, '-o', traceFile, ...program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(strace, 'exit')
  await Promise.all([once(strace.stdout, 'data'), connected])
  for (const request of requests) {
    const answered = new Promise<void>((resolve) => (onAnswer = resolve))
    transport.send('a', encodeMessage(request))
    await answered
  }
  strace.stdin.end()
  assert.deepEqual(await ended, [0, null])
  return answers
}

/**
 * For each request whether, between the end of its reception and the beginning of its answer, the log's file was written and the disk was
 * told to keep it. strace stops each thread at the beginning and end of each call, so the order of its lines is the order of cause and effect.
 */
function syncedBeforeAnswer({ calls, ports }: Traced): boolean[] {
  const ready = calls.findIndex(({ name, text }) => name === 'write' && text.includes('"ready'))
  assert.notEqual(ready, -1)
  const synced: boolean[] = []
  let received = Infinity
  let isAnswered = true
  let lastSync = -1
  for (const call of calls.slice(ready + 1)) {
    if (isSync(call) && call.began > received) lastSync = call.ended
    if (receiving.has(call.name) && call.target.includes(`:${ports.server}->127.0.0.1:`) && call.result > 0) {
      received = call.ended
      isAnswered = false
    } else if (sending.has(call.name) && call.target.endsWith(`->127.0.0.1:${ports.peer}]`) && !isAnswered) {
      isAnswered = true
      synced.push(lastSync > received && lastSync < call.began)
    }
  }
  return synced
}

function isSync({ name, target, result }: SystemCall): boolean {
  return (name === 'fdatasync' || name === 'fsync') && /\/store\/\d+\.log$/.test(target) && result === 0
}

const granted = (term: number): Message => ({ type: 'requestVoteResponse', term, voteGranted: true })
const stored = (term: number, index: number): Message => ({
  type: 'appendEntriesResponse',
  term,
  success: true,
  index,
  hintIndex: 0,
  hintTerm: 0,
})
const expected = [
  ...[1, 2, 3, 4].map(granted),
  ...[1, 2, 3, 4].map((index) => stored(4, index)),
  granted(5),
  stored(5, 3),
  vote(6, 3, 5, true),
]

test('a call of two lines ends where it is resumed, between the calls of other threads', () => {
  const calls = parseStrace(
    [
      '7 fdatasync(19</data/store/000003.log> <unfinished ...>',
      '8 write(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, "abc"..., 32) = 32',
      '7 <... fdatasync resumed>) = 0',
      '8 read(24<TCP:[127.0.0.1:3->127.0.0.1:4]>, 0x1, 65536) = -1 EAGAIN (Resource temporarily unavailable)',
      '7 +++ exited with 0 +++',
    ].join('\n'),
  )
  assert.deepEqual(
    calls.map(({ name, target, began, ended, result }) => [name, target, began, ended, result]),
    [
      ['write', 'TCP:[127.0.0.1:1->127.0.0.1:2]', 1, 1, 32],
      ['fdatasync', '/data/store/000003.log', 0, 2, 0],
      ['read', 'TCP:[127.0.0.1:3->127.0.0.1:4]', 3, 3, -1],
    ],
  )
})

test('votes, appended entries and a candidacy are on disk before the answers leave (thesis §3.8)', options, async () => {
  const seen = await trace(false)
  assert.deepEqual(seen.answers, expected)
  assert.deepEqual(
    syncedBeforeAnswer(seen),
    requests.map(() => true),
  )
})

test('a server that answers before it has written is found out', options, async () => {
  const seen = await trace(true)
  assert.deepEqual(seen.answers, expected)
  assert.deepEqual(
    syncedBeforeAnswer(seen),
    requests.map(() => false),
  )
})
