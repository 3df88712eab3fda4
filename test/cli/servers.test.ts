/** How the commands reach a gateway: over TLS, by the next of several servers, and what they say when none is reached. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { initCluster, issueGateway } from '../../src/cli/certificates.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { serveCanned } from './canned-server.ts'
import { evpc, temporaryFolder } from './evpc.ts'

const dead = 'http://127.0.0.1:1'

test('of several servers the first that answers is asked', async (t) => {
  const { server, source, run } = await serveCanned(t)
  const status = await run('status', '--server', `${dead}, ${server.url}`, '-o', 'json')
  assert.deepEqual([status.code, status.stderr, JSON.parse(status.stdout)], [0, '', source.status()])
  assert.equal((await run('transfer', '7', '--to', 'sg2', '--server', `${dead},${server.url}`)).code, 0)
  const none = await run('status', '--server', `${dead},http://127.0.0.1:2`)
  assert.equal(none.code, 1)
  assert.match(none.stderr, /^evpc: no answer from http:\/\/127\.0\.0\.1:2: connect ECONNREFUSED 127\.0\.0\.1:2; --server URL/)
})

test('a gateway that is cut off from the others is passed over; one that refuses has spoken for all', async (t) => {
  const cutOff = await serveCanned(t)
  const other = await serveCanned(t)
  const both = `${cutOff.server.url},${other.server.url}`
  cutOff.source.failure = new CodedError('ERR_NO_LEADER')
  assert.equal((await other.run('transfer', '7', '--to', 'sg2', '--server', both)).code, 0)
  assert.deepEqual([cutOff.source.calls, other.source.calls], [['transfer 7 sg2'], ['transfer 7 sg2']])
  for (const code of ['ERR_GATEWAY_NOT_UP', 'ERR_OUTCOME_UNKNOWN'] as const) {
    cutOff.source.failure = new CodedError(code)
    const refused = await other.run('transfer', '8', '--to', 'sg2', '--server', both)
    assert.deepEqual([refused.code, refused.stderr.includes(code)], [1, true])
  }
  assert.equal(other.source.calls.length, 1)
  other.source.failure = new CodedError('ERR_NO_LEADER')
  cutOff.source.failure = new CodedError('ERR_NO_LEADER')
  assert.match(
    (await other.run('transfer', '9', '--to', 'sg2', '--server', both)).stderr,
    /ERR_NO_LEADER\); a majority of the gateways has to be up/,
  )
})

test('who asked too often waits for as long as it is told, and comes again', async (t) => {
  const { run } = await serveCanned(t, { rate: { perSecond: 2, burst: 1 } })
  const [one, two] = await Promise.all([run('status', '-o', 'json'), run('status', '-o', 'json')])
  assert.deepEqual([one.code, two.code], [0, 0])
})

test('a command whose answer broke off may have been done, and is asked for again at the next server under the same key', async (t) => {
  const keys: string[] = []
  const breaks = createServer((socket) => {
    socket.once('data', (octets) => {
      keys.push(/idempotency-key: (\S+)/i.exec(octets.toString())?.[1] ?? 'none')
      socket.destroy()
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => breaks.listen(0, '127.0.0.1', resolve))
  t.after(() => breaks.close())
  const broken = `http://127.0.0.1:${(breaks.address() as AddressInfo).port}`
  const { server, source, run } = await serveCanned(t)
  const alone = await run('transfer', '7', '--to', 'sg2', '--server', broken)
  assert.equal(alone.code, 1)
  assert.match(alone.stderr, /the change may have been made: look before trying again/)
  assert.doesNotMatch((await run('status', '--server', broken)).stderr, /may have been made/)
  assert.equal((await run('transfer', '7', '--to', 'sg2', '--server', `${broken},${broken},${server.url}`)).code, 0)
  assert.deepEqual(source.calls, ['transfer 7 sg2'])
  assert.match(keys.at(-1)!, /^[0-9a-f-]{36}$/)
  assert.equal(keys.at(-1), keys.at(-2))
})

async function secured(t: TestContext, clientCa: boolean) {
  const folder = temporaryFolder(t)
  const nowMs = Date.now()
  await initCluster({ cluster: 'paris', out: folder, days: 1, nowMs })
  for (const id of ['sg1', 'operator']) await issueGateway({ id, ca: folder, out: folder, ips: ['127.0.0.1'], dns: [], days: 1, nowMs })
  const file = (name: string): string => join(folder, name)
  const read = (name: string): string => readFileSync(file(name), 'utf8')
  const tls = { cert: read('sg1.pem'), key: read('sg1.key'), clientCa: clientCa ? read('ca.pem') : null }
  return { ...(await serveCanned(t, { tls })), file }
}

test('over TLS the authority has to be known, and is asked for', async (t) => {
  const { run, file, server, tokenFile } = await secured(t, false)
  const unknown = await run('status')
  assert.equal(unknown.code, 1)
  assert.match(
    unknown.stderr,
    /^evpc: no answer from https:.*certificate.*; --ca FILE or EVPC_CA names the authority of its certificate\n$/,
  )
  assert.equal((await run('status', '--ca', file('ca.pem'))).code, 0)
  const environment = { EVPC_SERVER: server.url, EVPC_TOKEN_FILE: tokenFile, EVPC_CA: file('ca.pem') }
  assert.equal((await evpc(['status'], environment)).code, 0)
  assert.match((await run('status', '--ca', '/nonexistent')).stderr, /^evpc: --ca: ENOENT/)
  const otherName = await run('status', '--ca', file('ca.pem'), '--server', server.url.replace('127.0.0.1', 'localhost'))
  assert.match(otherName.stderr, /its certificate is for another name or address: "evpc pki issue" with --ip or --dns/)
})

test('a server that wants a certificate of its clients gets it, or it is asked for', async (t) => {
  const { run, file } = await secured(t, true)
  const ca = ['--ca', file('ca.pem')]
  assert.match(
    (await run('status', ...ca)).stderr,
    /it may want a certificate of yours: --cert FILE and --key FILE, or EVPC_CERT and EVPC_KEY/,
  )
  assert.equal((await run('status', ...ca, '--cert', file('operator.pem'), '--key', file('operator.key'))).code, 0)
})

test('http and https are told apart', async (t) => {
  const plain = await serveCanned(t)
  const tls = await secured(t, false)
  const wrongly = await plain.run('status', '--server', plain.server.url.replace('http:', 'https:'))
  assert.match(wrongly.stderr, /it may be without TLS: --server http:\/\/127/)
  const without = await tls.run('status', '--server', tls.server.url.replace('https:', 'http:'))
  assert.match(without.stderr, /it may want TLS: --server https:\/\/127/)
})

test('a wrong token, a token for reading, and an unknown session each say what to do', async (t) => {
  const { run, source } = await serveCanned(t, { tokens: { admin: 'another-token-of-tests', read: 'a-token-of-the-tests' } })
  assert.match((await run('transfer', '7', '--to', 'sg2')).stderr, /ERR_FORBIDDEN\); this needs the admin token, not the one for reading/)
  assert.match((await run('sessions', '999')).stderr, /ERR_SESSION_UNKNOWN\); "evpc sessions" lists those that there are/)
  assert.deepEqual(
    source.calls.filter((call) => call.startsWith('transfer')),
    [],
  )
  const other = await serveCanned(t, { tokens: { admin: 'another-token-of-tests', read: null } })
  assert.match((await other.run('status')).stderr, /ERR_UNAUTHORIZED\); name the file with the token: --token-file FILE or EVPC_TOKEN_FILE/)
})
