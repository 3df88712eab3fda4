/** Certificates for fuzzing, of keys whose signatures cost least: a root, an intermediate authority, a gateway's and a client's. */

import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { publicKeyOf } from '../../src/crypto/signatures.ts'
import { concat, fromHex, toUtf8 } from '../../src/kit/bytes.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import type { InitiatorOptions } from '../../src/ike/initiator.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import { configuration, connection, ownKey } from '../ike/face-to-face.ts'
import type { TestKey } from '../support/pki.ts'
import { makeAuthority, makeCertificate, makeList } from '../support/pki.ts'

/** What stands before an Ed25519 private key in PKCS #8 (RFC 8410). */
const pkcs8Prefix = fromHex('302e020100300506032b657004220420')!

/** Of this name always the same: a failure can be seen again. */
export function fixedKey(name: string): TestKey {
  const pkcs8 = concat(pkcs8Prefix, nodeIkeCrypto.sha256(toUtf8(name)))
  return { type: 'ed25519', pkcs8, spki: publicKeyOf(pkcs8)! }
}

export const root = makeAuthority('C=CH, O=Test, CN=Root', fixedKey('root'), { ca: { pathLength: 2 }, serial: 1 })
export const intermediate = makeAuthority('C=CH, O=Test, CN=Between', fixedKey('between'), { issuer: root, serial: 2 })
const serverKey = fixedKey('server')
export const server = makeCertificate({
  subject: 'C=CH, O=Test, CN=vpn.example.org',
  key: serverKey,
  issuer: root,
  serial: 3,
  extendedKeyUsage: [keyPurpose.serverAuth],
  alternativeNames: [parseIdentity('vpn.example.org')],
})
export const clientKey = fixedKey('client')
export const client = makeCertificate({
  subject: 'C=CH, O=Test, CN=alice',
  key: clientKey,
  issuer: intermediate,
  serial: 0x8001,
  keyUsage: 1,
  extendedKeyUsage: [keyPurpose.clientAuth],
  alternativeNames: ['alice', 'alice@example.org', '192.0.2.9', '2001:db8::9', 'C=CH, CN=alice'].map(parseIdentity),
  crlUri: 'http://example.org/crl',
})
export const revoked = makeList({ issuer: root, revoked: [5, 0x80, 300, 0x8000] })
export const authorities = [{ name: 'root', certificate: root.der, crls: [revoked] }] as const

/** Clients and the cluster have certificates. */
export const signingConfiguration: VpnConfiguration = {
  ...configuration,
  connections: [
    {
      ...connection,
      name: 'signing',
      local: { auth: 'pubkey', id: 'vpn.example.org', certs: ['server'] },
      remote: { ...connection.remote, auth: 'pubkey', revocation: 'relaxed' },
    },
  ],
  certificates: [{ name: 'server', chain: [server.der], secret: 'private-server' }],
  authorities,
  secrets: [ownKey('private-server', serverKey.pkcs8)],
}

export const signingClient: Partial<InitiatorOptions> = {
  certificate: { chain: [client.der, intermediate.der], key: clientKey.pkcs8 },
  trust: { authorities, nowMs: 1_700_000_000_000 },
}
