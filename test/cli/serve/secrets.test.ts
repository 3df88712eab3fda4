/** No key leaves a gateway: not by the admin API, not by the log at its most talkative, not by the metrics; with live sessions that change hands. */

import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { readSealingKeys } from '../../../src/config/secret-files.ts'
import type { SealingKeyView } from '../../../src/admin/sealing-key-routes.ts'
import { GATEWAY_IDENTITY } from '../../../src/cli/demo/layout.ts'
import { addSealingKeyTo } from '../../../src/cli/sealing-key-file.ts'
import { createEspCrypto } from '../../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../../src/crypto/node-ike-crypto.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { systemRandom } from '../../../src/crypto/random.ts'
import { toUtf8 } from '../../../src/kit/bytes.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { EspCrypto } from '../../../src/kit/esp-crypto.ts'
import type { IkeCrypto } from '../../../src/kit/ike-crypto.ts'
import { Calls } from '../../support/calls.ts'
import type { Secret } from '../../support/leaks.ts'
import { leaksIn } from '../../support/leaks.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

const PASSWORD = 'correct-horse-battery'

/** The clients' cryptography, which keeps every key that it makes or is given: the gateways have the same ones. */
class Keys {
  readonly secrets: Secret[] = []
  readonly ike: IkeCrypto = {
    ...nodeIkeCrypto,
    prfPlus: (prf, key, seed, length) => this.#kept('keys derived by prf+', nodeIkeCrypto.prfPlus(prf, key, seed, length)),
    encrypt: (encr, key, iv, plaintext, aad) => nodeIkeCrypto.encrypt(encr, this.#kept('SK_e', key), iv, plaintext, aad),
    prf: (prf, key, data) => nodeIkeCrypto.prf(prf, this.#kept('a key of the PRF', key), data),
    integrity: (integ, key, data) => nodeIkeCrypto.integrity(integ, this.#kept('SK_a', key), data),
  }
  readonly esp: EspCrypto

  constructor() {
    const esp = createEspCrypto(systemRandom())
    this.esp = {
      keyOctets: (algorithms) => esp.keyOctets(algorithms),
      cipher: (algorithms, key) => esp.cipher(algorithms, this.#kept('an ESP key', key)),
    }
  }

  /** Nonces, which are no secrets, are the key of the first PRF of all (RFC 7296 §2.14), and "Key Pad for IKEv2" is the data of another. */
  #kept(name: string, octets: Bytes): Bytes {
    this.secrets.push({ name, octets: octets.slice() })
    return octets
  }
}

/** What is in the cluster's files and must stay there. */
function fileSecrets(cluster: ServeCluster): readonly Secret[] {
  const text = (name: string): string => readFileSync(cluster.file(name), 'utf8').trim()
  const keys = readdirSync(cluster.layout.folder).filter((name) => name.endsWith('.key') && name !== 'sealing.key')
  assert.ok(keys.length >= 4, 'the gateways’ keys and the authority’s')
  return [
    ...readSealingKeys(cluster.file('sealing.key'), {}).map((octets, i) => ({ name: `sealing key ${i + 1}`, octets })),
    { name: 'the admin token', octets: toUtf8(text('admin.token')) },
    { name: 'the read token', octets: toUtf8(text('read.token')) },
    // What is before the private part says which curve it is, and is the same in every key.
    ...keys.map((name) => ({ name, octets: Buffer.from(text(name).replaceAll(/-----[^-]*-----|\s/g, ''), 'base64').subarray(34, 70) })),
  ]
}

/** Everything that the gateway tells whoever may ask. */
async function answers(cluster: ServeCluster, id: string): Promise<string> {
  const session = (await cluster.agreedSessions(id))[0]!.id
  const local = '?consistency=local'
  const paths = [
    '/',
    '/page.js',
    '/healthz',
    '/readyz',
    '/metrics',
    '/openapi.json',
    '/docs',
    '/v1/log-levels',
    '/v1/nothing',
    '/v1/sessions?limit=x',
    ...['/v1/cluster', '/v1/gateways', '/v1/sessions', `/v1/sessions/${session}`, '/v1/sessions/99999', '/v1/vpn', '/v1/sealing-key'].map(
      (path) => path + local,
    ),
    `/v1/gateways/${id}/drain${local}`,
  ]
  const said: string[] = []
  for (const path of paths) {
    const response = await cluster.get(id, path)
    said.push(JSON.stringify([...response.headers]), Buffer.from(await response.arrayBuffer()).toString('latin1'))
  }
  const events = await cluster.get(id, '/v1/events?after=0')
  const reader = events.body!.getReader()
  for (let read = await reader.read(); said.push(Buffer.from(read.value ?? []).toString('latin1')) > 0;) {
    if (said.join('').includes('established')) break
    read = await reader.read()
  }
  await reader.cancel()
  return said.join('\n')
}

test('secrets are found in whatever form they are said', () => {
  const octets = systemRandom().bytes(32)
  const secrets = [{ name: 'key', octets }]
  const inside = Buffer.concat([Buffer.from('ab'), octets, Buffer.from('c')])
  for (const [form, said] of [
    ['in hexadecimal', inside.toString('hex').toUpperCase()],
    ['in base64', inside.toString('base64')],
    ['in base64', inside.toString('base64url')],
    ['as it is', inside.toString('latin1')],
    ['as numbers', JSON.stringify(inside)],
    ['as numbers', JSON.stringify({ key: Uint8Array.from(octets) })],
    ['as numbers', octets.join()],
    ['in hexadecimal', Buffer.from(octets.subarray(7, 19)).toString('hex')],
  ] as const)
    assert.deepEqual(leaksIn(`a ${said} b`, secrets), [`key ${form}`])
  assert.deepEqual(leaksIn(Buffer.from(systemRandom().bytes(100_000)).toString('latin1'), secrets), [])
})

test('live sessions by pre-shared key and by password, transferred and taken over: nobody is told a key', async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  for (const { configFile } of cluster.layout.gateways) appendFileSync(configFile, 'log: { level: trace }\n')
  const vpn = readFileSync(cluster.layout.vpnFile, 'utf8')
  const byPassword = `
  users:
    pools: [callers]
    local: { auth: psk, id: ${GATEWAY_IDENTITY} }
    remote: { auth: eap-mschapv2, eap_id: '%any' }
    children: { net: { local_ts: [0.0.0.0/0] } }
pools:`
  const withUser = vpn.replace('\npools:', byPassword).replace('secrets: {', `secrets: { eap-alice: { id: alice, secret: ${PASSWORD} },`)
  writeFileSync(cluster.layout.vpnFile, withUser)
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)

  const keys = new Keys()
  const calls = await Calls.open(t, cluster.layout)
  const crypto = { crypto: keys.ike, espCrypto: keys.esp }
  const psk = await calls.add({ changes: crypto })
  const eap = await calls.add({ changes: { ...crypto, eap: { user: 'alice', ntHashes: [ntHash(PASSWORD)] } } })
  const wrong = await calls.add({ secret: 'another secret altogether', changes: crypto })
  for (const call of [psk, eap]) await call.connect()
  await assert.rejects(wrong.connect(), /AUTHENTICATION_FAILED/)
  for (const call of [psk, eap]) await call.talks()
  await eventually('both sessions', async () => (await cluster.sessions('sg1')).length === 2)

  // Another sealing key: the answers to whoever asks for it, too early and in time, are looked at as well.
  const asked: string[] = []
  const rotate = async (body: string): Promise<boolean> => {
    const response = await cluster.post('sg1', '/v1/sealing-key', body)
    asked.push(await response.text())
    return response.ok
  }
  assert.equal(await rotate('{}'), false)
  const id = addSealingKeyTo(cluster.file('sealing.key'), new Date())
  for (const one of ids) cluster.process(one).signal('SIGHUP')
  await eventually('another sealing key', () => rotate(JSON.stringify({ id })))
  await eventually('nothing to be under the former one', async () => {
    const view = (await (await cluster.get('sg2', '/v1/sealing-key')).json()) as SealingKeyView
    return view.current === id && view.remaining === 0
  })
  for (const call of [psk, eap]) await call.talks()

  const [session] = await cluster.agreedSessions('sg1')
  const to = ids.find((id) => id !== session!.owner)!
  assert.equal((await cluster.post('sg1', `/v1/sessions/${session!.id}/transfer`, JSON.stringify({ to }))).status, 200)
  for (const call of [psk, eap]) await call.talks()
  await cluster.process(to).kill()
  const living = ids.filter((id) => id !== to)
  await eventually('other owners', async () => (await cluster.sessions(living[0]!)).every(({ owner }) => owner !== null && owner !== to))
  for (const call of [psk, eap]) await call.talks()

  const secrets = [
    { name: 'the pre-shared key', octets: toUtf8(cluster.layout.secret) },
    { name: 'a wrong pre-shared key', octets: toUtf8('another secret altogether') },
    { name: 'the password', octets: toUtf8(PASSWORD) },
    { name: "the password's hash", octets: ntHash(PASSWORD) },
    ...fileSecrets(cluster),
    ...keys.secrets,
  ]
  for (const name of ['keys derived by prf+', 'SK_e', 'an ESP key'])
    assert.ok(
      secrets.some((secret) => secret.name === name),
      name,
    )
  assert.deepEqual(leaksIn(asked.join('\n'), secrets), [])
  assert.equal(secrets.filter(({ name }) => name.startsWith('sealing key')).length, 2)
  for (const id of living) assert.deepEqual(leaksIn(await answers(cluster, id), secrets), [], `${id} answers`)
  for (const id of ids) {
    const log = readFileSync(cluster.of(id).logFile, 'latin1')
    assert.match(log, /"event":"peer"/, 'down to what only the level debug says')
    assert.deepEqual(leaksIn(log, secrets), [], `${id} logs`)
  }
  const trail = ids.map((id) => readFileSync(cluster.of(id).logFile, 'utf8')).join('')
  assert.match(trail, /"event":"session-established"[^\n]*"connection":"users"/)
})
