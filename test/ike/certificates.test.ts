/** Certificates as proof in IKE_AUTH, client and gateway face to face. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIdentity, parseIdentity } from '../../src/context/identity.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { RemoteAuthentication, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import type { ClientCertificate } from '../../src/ike/initiator-proof.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import type { InitiatorOptions } from '../../src/ike/initiator.ts'
import { decodeMessage } from '../../src/ike/wire/message.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, findPayload } from '../../src/ike/wire/payloads.ts'
import { identification } from '../../src/ike/wire/simple-payloads.ts'
import { certificateEncoding } from '../../src/ike/wire/certificates.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import type { CertificateOptions, KeyType, TestCertificate } from '../support/pki.ts'
import { makeAuthority, makeCertificate, makeList, testKey } from '../support/pki.ts'
import { ask } from './ask.ts'
import type { Meeting } from './face-to-face.ts'
import { TestGateway, clientOptions, configuration, connection, meet, ownKey } from './face-to-face.ts'

const root = makeAuthority('C=CH, O=Test, CN=Root', testKey('p256', 'root'))

function serverCertificate(type: KeyType): TestCertificate {
  return makeCertificate({
    subject: 'C=CH, O=Test, CN=vpn.example.org',
    key: testKey(type, 'server'),
    issuer: root,
    extendedKeyUsage: [keyPurpose.serverAuth],
    alternativeNames: [parseIdentity('vpn.example.org')],
  })
}

const clientSerial = 7

function clientCertificate(type: KeyType, changes: Partial<CertificateOptions> = {}): TestCertificate {
  return makeCertificate({
    subject: 'C=CH, O=Test, CN=alice',
    key: testKey(type, 'client'),
    issuer: root,
    serial: clientSerial,
    keyUsage: 1,
    extendedKeyUsage: [keyPurpose.clientAuth],
    alternativeNames: [parseIdentity('alice@example.org'), parseIdentity('192.0.2.9'), parseIdentity('alice')],
    ...changes,
  })
}

interface World {
  readonly server?: KeyType
  readonly pss?: boolean
  readonly crls?: readonly Bytes[]
  readonly remote?: Partial<RemoteAuthentication>
  readonly authorities?: VpnConfiguration['authorities']
}

/** A configuration with certificates both ways. */
function vpnOf({ server = 'p256', pss = false, crls = [], remote = {}, authorities }: World = {}): VpnConfiguration {
  return {
    ...configuration,
    connections: [
      {
        ...connection,
        local: { auth: pss ? 'rsa/pss' : 'pubkey', id: 'vpn.example.org', certs: ['server'] },
        remote: { auth: 'pubkey', id: '%any', cacerts: [], revocation: 'relaxed', ...remote },
      },
    ],
    secrets: [ownKey('private-server', testKey(server, 'server').pkcs8)],
    certificates: [{ name: 'server', chain: [serverCertificate(server).der], secret: 'private-server' }],
    authorities: authorities ?? [{ name: 'root', certificate: root.der, crls }],
  }
}

function proofOf(certificate: TestCertificate, changes: Partial<ClientCertificate> = {}): Partial<InitiatorOptions> {
  return {
    certificate: { chain: [certificate.der], key: certificate.key.pkcs8, ...changes },
    trust: { authorities: [{ name: 'root', certificate: root.der, crls: [] }], nowMs: 1_700_000_000_000 },
  }
}

function problemOf({ gateway, events }: Meeting): string | null {
  assert.deepEqual(events, [{ type: 'failed', notify: 24, problem: 'IKE_AUTH was refused' }])
  assert.equal(gateway.established.phase, 'tombstone')
  const decision = gateway.decisions.at(-1)!
  assert.ok(decision.type === 'commit')
  return decision.problem
}

function assertUp({ gateway, events }: Meeting): void {
  const decision = gateway.decisions.at(-1)
  assert.equal(events[0]?.type, 'established', decision?.type === 'commit' ? `${decision.problem}` : decision?.type)
}

const ways: readonly [name: string, type: KeyType, changes: Partial<ClientCertificate>, pss: boolean][] = [
  ['RSA, PKCS #1', 'rsa', {}, false],
  ['RSA, PSS', 'rsa', { pss: true }, true],
  ['ECDSA on P-256', 'p256', {}, false],
  ['ECDSA on P-384', 'p384', {}, false],
  ['ECDSA on P-521', 'p521', {}, false],
  ['Ed25519 (RFC 8420)', 'ed25519', {}, false],
  ['RSA with SHA-1, method 1, of a client without RFC 7427', 'rsa', { legacy: true }, false],
  ['ECDSA, method 9, of a client without RFC 7427', 'p256', { legacy: true }, false],
  ['ECDSA, method 10, of a client without RFC 7427', 'p384', { legacy: true }, false],
  ['ECDSA, method 11, of a client without RFC 7427', 'p521', { legacy: true }, false],
]
for (const [name, type, changes, pss] of ways) {
  test(`client and gateway prove who they are by certificates: ${name}`, () => {
    const meeting = meet(proofOf(clientCertificate(type), changes), vpnOf({ server: type, pss }))
    assertUp(meeting)
    const { identity, credential } = meeting.gateway.established
    assert.equal(formatIdentity(identity!), 'alice')
    const issuer = nodeIkeCrypto.sha256(root.key.spki).slice(0, 8)
    assert.deepEqual(credential, { type: 'certificate', chain: [{ issuer, serial: Uint8Array.of(clientSerial) }] })
  })
}

const nowMs = 1_700_000_000_000
const day = 86_400_000
const other = makeAuthority('C=CH, O=Test, CN=Other', testKey('p256', 'other'))
const namesake = makeAuthority('C=CH, O=Test, CN=Root', testKey('p256', 'other'))
const otherUsage = '1.3.6.1.5.5.7.3.3'
const revoking = makeList({ issuer: root, revoked: [clientSerial] })
const old = { nextUpdateMs: nowMs - day }

const refusals: readonly [name: string, problem: string, certificate: Partial<CertificateOptions>, world?: World][] = [
  ['of an authority that is not ours', 'unknown-authority', { issuer: other }],
  ['of another authority with the name of ours', 'signature', { issuer: namesake }],
  ['that ran out', 'expired', { notAfterMs: nowMs - 1000 }],
  ['that is not valid yet', 'not-yet-valid', { notBeforeMs: nowMs + 1000 }],
  ['that does not name the client', 'not-in-certificate', { alternativeNames: [parseIdentity('bob')] }],
  ['whose name for the client is a wildcard', 'not-in-certificate', { alternativeNames: [parseIdentity('*')] }],
  ['without names', 'not-in-certificate', { alternativeNames: [] }],
  ['that may not sign', 'key-usage', { keyUsage: 0b100 }],
  ['for other purposes only', 'key-usage', { extendedKeyUsage: [otherUsage, keyPurpose.serverAuth] }],
  ['with a critical extension that we do not know', 'critical-extension', { extension: ['1.2.3.4', true, Uint8Array.of(5, 0)] }],
  ['that is signed with SHA-1', 'signature', { scheme: { type: 'ecdsa', hash: 'sha1', format: 'der' } }],
  ['that is revoked', 'revoked', {}, { crls: [revoking] }],
  ['that an old list says is revoked', 'revoked', {}, { crls: [makeList({ issuer: root, revoked: [clientSerial], ...old })] }],
  ['of which nothing is known, with revocation: strict', 'revocation-unknown', {}, { remote: { revocation: 'strict' } }],
  [
    'of which only an old list knows, with revocation: strict',
    'revocation-unknown',
    {},
    { remote: { revocation: 'strict' }, crls: [makeList({ issuer: root, ...old })] },
  ],
  [
    'that says where to ask, with revocation: ifuri',
    'revocation-unknown',
    { crlUri: 'http://example.org/crl' },
    { remote: { revocation: 'ifuri' } },
  ],
  [
    'of an authority that is not the one of the connection',
    'wrong-authority',
    {},
    {
      remote: { cacerts: ['other'] },
      authorities: [
        { name: 'root', certificate: root.der, crls: [] },
        { name: 'other', certificate: other.der, crls: [] },
      ],
    },
  ],
]
for (const [name, problem, certificate, world] of refusals) {
  test(`a certificate ${name} is refused: ${problem}`, () => {
    const meeting = meet(proofOf(clientCertificate('p256', certificate)), vpnOf(world))
    assert.equal(problemOf(meeting), problem)
    assert.equal(meeting.gateway.established.credential, null)
  })
}

const accepted: readonly [name: string, certificate: Partial<CertificateOptions>, world?: World][] = [
  ['for any purpose', { extendedKeyUsage: [keyPurpose.any] }],
  ['for IKE (RFC 4945 §5.1.3.12)', { extendedKeyUsage: [otherUsage, keyPurpose.ipsecIke] }],
  ['with an extension that we do not know and need not', { extension: ['1.2.3.4', false, Uint8Array.of(5, 0)] }],
  [
    'that a fresh list does not have, with revocation: strict',
    {},
    { remote: { revocation: 'strict' }, crls: [makeList({ issuer: root })] },
  ],
  ['that does not say where to ask, with revocation: ifuri', {}, { remote: { revocation: 'ifuri' } }],
  ['revoked once, and not on the newer list', {}, { crls: [revoking, makeList({ issuer: root, thisUpdateMs: nowMs - day })] }],
  ['of the authority of the connection', {}, { remote: { cacerts: ['root'] } }],
]
for (const [name, certificate, world] of accepted) {
  test(`a certificate ${name} is taken`, () => {
    assertUp(meet(proofOf(clientCertificate('p256', certificate)), vpnOf(world)))
  })
}

/** Root → intermediate → client; what the client sends, and what is wrong, or null. */
const intermediates: readonly [name: string, options: Partial<CertificateOptions>, problem: string | null, world?: World][] = [
  ['an authority in between', {}, null],
  ['one in between, which may have none below it', { ca: { pathLength: 0 } }, null],
  ['one in between that is no authority', { ca: false }, 'no-authority'],
  ['one in between that may not sign certificates', { keyUsage: 1 }, 'no-authority'],
  ['one in between that has run out', { notAfterMs: nowMs - 1 }, 'expired'],
  ['one in between that is revoked', { serial: 9 }, 'revoked', { crls: [makeList({ issuer: root, revoked: [9] })] }],
  ['one in between of another authority', { issuer: other }, 'unknown-authority'],
]
for (const [name, options, problem, world] of intermediates) {
  test(`a chain with ${name} is ${problem === null ? 'taken' : `refused: ${problem}`}`, () => {
    const middle = makeAuthority('C=CH, O=Test, CN=Middle', testKey('p384', 'middle'), { issuer: root, ...options })
    const alice = clientCertificate('p256', { issuer: middle })
    const meeting = meet(proofOf(alice, { chain: [alice.der, other.der, middle.der] }), vpnOf(world))
    if (problem === null) assertUp(meeting)
    else assert.equal(problemOf(meeting), problem)
    const { credential } = meeting.gateway.context ?? {}
    if (problem === null) assert.ok(credential?.type === 'certificate' && credential.chain.length === 2)
  })
}

test('a root that allows no authority below it is obeyed (RFC 5280 §4.2.1.9)', () => {
  const strict = makeAuthority('CN=Strict', testKey('p256', 'strict'), { ca: { pathLength: 0 } })
  const middle = makeAuthority('CN=Middle', testKey('p384', 'middle'), { issuer: strict })
  const direct = clientCertificate('p256', { issuer: strict })
  const below = clientCertificate('p256', { issuer: middle })
  const vpn = vpnOf({ authorities: [{ name: 'strict', certificate: strict.der, crls: [] }] })
  assertUp(meet(proofOf(direct), vpn))
  assert.equal(problemOf(meet(proofOf(below, { chain: [below.der, middle.der] }), vpn)), 'path-length')
})

test('an intermediate authority of the configuration helps, its list counts, and it is no anchor by itself', () => {
  const middle = makeAuthority('C=CH, O=Test, CN=Middle', testKey('p384', 'middle'), { issuer: root })
  const alice = proofOf(clientCertificate('p256', { issuer: middle }))
  const middleWith = (crls: readonly Bytes[]): VpnConfiguration['authorities'][number] => ({
    name: 'middle',
    certificate: middle.der,
    crls,
  })
  const anchor = { name: 'root', certificate: root.der, crls: [] }
  assertUp(meet(alice, vpnOf({ authorities: [middleWith([]), anchor], remote: { cacerts: ['middle'] } })))
  assert.equal(problemOf(meet(alice, vpnOf({ authorities: [middleWith([])] }))), 'unknown-authority')
  const revoked = [middleWith([makeList({ issuer: middle, revoked: [clientSerial] })]), anchor]
  assert.equal(problemOf(meet(alice, vpnOf({ authorities: revoked }))), 'revoked')
})

test('a chain of more certificates than anyone needs is refused, however long it goes on', () => {
  let issuer = root
  const chain: Bytes[] = []
  for (let i = 0; i < 6; i++) {
    issuer = makeAuthority(`CN=Middle ${i}`, testKey('p256', `middle ${i}`), { issuer })
    chain.unshift(issuer.der)
  }
  const alice = clientCertificate('p256', { issuer })
  assert.equal(problemOf(meet(proofOf(alice, { chain: [alice.der, ...chain] }), vpnOf())), 'path-length')
})

test('a certificate proves nothing to who has not its key', () => {
  const alice = clientCertificate('p256')
  assert.equal(problemOf(meet(proofOf(alice, { key: testKey('p256', 'mallory').pkcs8 }), vpnOf())), 'wrong-signature')
})

test('the subject is an identity as well: ID_DER_ASN1_DN, by its meaning (RFC 4945 §3.1.5)', () => {
  const proof = proofOf(clientCertificate('p256', { alternativeNames: [] }))
  const vpn = vpnOf({ remote: { id: 'C=CH, O=Test, CN=*' } })
  const meeting = meet({ ...proof, identity: parseIdentity('C=CH, O=test, CN=Alice') }, vpn)
  assertUp(meeting)
  assert.equal(formatIdentity(meeting.gateway.established.identity!), 'C=CH, O=test, CN=Alice')
  assert.equal(problemOf(meet({ ...proof, identity: parseIdentity('C=CH, O=Test, CN=bob') }, vpn)), 'not-in-certificate')
})

test('a client without the gateway’s authority, or with another name for it, refuses it', () => {
  const proof = proofOf(clientCertificate('p256'))
  const trust = { authorities: [{ name: 'other', certificate: other.der, crls: [] }], nowMs }
  const refused = [{ type: 'failed', notify: null, problem: 'the gateway is not who it should be' }]
  assert.deepEqual(meet({ ...proof, trust }, vpnOf()).events, refused)
  const misnamed = vpnOf()
  const [only] = misnamed.connections
  const connections = [{ ...only!, local: { ...only!.local, id: 'else.example.org' } }]
  assert.deepEqual(meet({ ...proof, remoteIdentity: null }, { ...misnamed, connections }).events, refused)
})

/** The payloads of the gateway's answer to IKE_SA_INIT. */
function initAnswer(vpn: VpnConfiguration, changes: Partial<InitiatorOptions>): readonly Payload[] {
  const [response] = new TestGateway(vpn).receive(new IkeInitiator(clientOptions(changes)).start())
  return decodeMessage(response!).payloads
}

test('CERTREQ names the authorities of clients, and SIGNATURE_HASH_ALGORITHMS answers SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4)', () => {
  const proof = proofOf(clientCertificate('p256'))
  const answer = initAnswer(vpnOf(), proof)
  assert.deepEqual(findPayload(answer, 'certReq'), { type: 'certReq', encoding: 4, data: nodeIkeCrypto.sha1(root.key.spki) })
  assert.equal(toHex(findNotify(answer, 16431)!.data), '0002000300040005')
  const legacy = initAnswer(vpnOf(), proofOf(clientCertificate('p256'), { legacy: true }))
  assert.equal(findNotify(legacy, 16431), null)
  const plain = initAnswer(configuration, proof)
  assert.deepEqual([findPayload(plain, 'certReq'), findNotify(plain, 16431)], [null, null])
})

test('so many authorities that their names would swell the answer are asked for without names', () => {
  const authorities = Array.from({ length: 33 }, (_, i) => ({ name: `root ${i}`, certificate: root.der, crls: [] }))
  assert.equal(findPayload(initAnswer(vpnOf({ authorities }), {}), 'certReq')!.data.length, 0)
})

test('the sides prove who they are each in its own way', () => {
  const base = vpnOf()
  const secrets = [...base.secrets, ...configuration.secrets]
  const [only] = base.connections
  const { certificate, trust } = proofOf(clientCertificate('p256')) as Required<InitiatorOptions>
  const onlyServer = { ...base, secrets, connections: [{ ...only!, remote: { ...only!.remote, auth: 'psk' as const } }] }
  assertUp(meet({ trust }, onlyServer))
  const onlyClient = { ...base, secrets, connections: [{ ...only!, local: { ...only!.local, auth: 'psk' as const } }] }
  assertUp(meet({ certificate }, onlyClient))
})

test('of several certificates of ours the first that the client can verify is shown', () => {
  const base = vpnOf({ server: 'ed25519' })
  const [only] = base.connections
  const vpn = {
    ...base,
    connections: [{ ...only!, local: { ...only!.local, certs: ['server', 'rsa'] } }],
    secrets: [...base.secrets, ownKey('private-rsa', testKey('rsa', 'server').pkcs8)],
    certificates: [...base.certificates, { name: 'rsa', chain: [serverCertificate('rsa').der], secret: 'private-rsa' }],
  }
  // A client that knows no method 14 knows no Ed25519.
  assertUp(meet(proofOf(clientCertificate('p256'), { legacy: true }), vpn))
  assertUp(meet(proofOf(clientCertificate('p256')), vpn))
})

test('a gateway that cannot sign in a way that the client takes refuses it', () => {
  const { events } = meet(proofOf(clientCertificate('p256'), { legacy: true }), vpnOf({ server: 'ed25519' }))
  assert.deepEqual(events, [{ type: 'failed', notify: 24, problem: 'IKE_AUTH was refused' }])
})

test('a session by certificate takes some 20 octets more than one by pre-shared key', () => {
  const byKey = meet().gateway.established
  const byCertificate = meet(proofOf(clientCertificate('p256')), vpnOf()).gateway.established
  assert.equal(encodeSessionContext(byCertificate).length - encodeSessionContext(byKey).length, 1 + 1 + 8 + 1 + 1)
})

/** IKE_AUTH of a client that says what it likes: these certificates, and no signature. */
function refusedClaim(payloads: readonly Payload[]): string | null {
  const gateway = new TestGateway(vpnOf())
  gateway.receive(new IkeInitiator(clientOptions(proofOf(clientCertificate('p256')))).start())
  const { decision, response } = ask(gateway, 35, [
    { type: 'idI', ...identification(parseIdentity('alice')) },
    ...payloads,
    { type: 'auth', method: 14, data: Uint8Array.of(1, 2, 3) },
  ])
  assert.deepEqual(
    response.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
    [24],
  )
  assert.ok(decision.type === 'commit')
  return decision.problem
}

const cert = (data: Bytes, encoding: number = certificateEncoding.x509Signature): Payload => ({ type: 'cert', encoding, data })

test('a claim without a certificate, with garbage for one, or with a URL (RFC 7296 §3.6) is refused and fetches nothing', () => {
  const { der } = clientCertificate('p256')
  assert.equal(refusedClaim([]), 'no-certificate')
  assert.equal(refusedClaim([cert(new Uint8Array(0))]), 'no-certificate')
  assert.equal(refusedClaim([cert(der.slice(0, -1))]), 'no-certificate')
  assert.equal(refusedClaim([cert(new Uint8Array(60_000).fill(0x30))]), 'no-certificate')
  assert.equal(refusedClaim([cert(der, 12)]), 'no-certificate')
  assert.equal(refusedClaim([cert(der)]), 'signature-method')
  assert.equal(refusedClaim(Array.from({ length: 60 }, () => cert(der))), 'signature-method')
})
