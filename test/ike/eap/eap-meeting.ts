/** Client and gateway face to face, with EAP-MSCHAPv2: alice's password is `clientPass`. */

import { createSealer } from '../../../src/crypto/sealer.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import type {
  ConnectionConfiguration,
  RemoteAuthentication,
  SharedSecret,
  VpnConfiguration,
} from '../../../src/context/vpn-configuration.ts'
import type { InitiatorOptions } from '../../../src/ike/initiator.ts'
import { toUtf8 } from '../../../src/kit/bytes.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import type { GatewayTrust } from '../../../src/ike/initiator-proof.ts'
import { parseIdentity } from '../../../src/context/identity.ts'
import { keyPurpose } from '../../../src/pki/certificate.ts'
import { makeAuthority, makeCertificate, testKey } from '../../support/pki.ts'
import { configuration, connection, ownKey } from '../face-to-face.ts'

/** That of face-to-face.ts, for what it opens. */
const sealer = createSealer({ keys: [new Uint8Array(32).fill(7)], cluster: 'test', random: new SeededRandom(77) })

export function user(name: string, ids: readonly string[], password: string): SharedSecret {
  return { name, ids, secret: sealer.seal(`nt-hash/${name}`, ntHash(password)) }
}

export const eapConnection: ConnectionConfiguration = {
  ...connection,
  name: 'eap',
  remote: { ...connection.remote, auth: 'eap-mschapv2', eapId: '%any' },
}

export function eapConfiguration(remote: Partial<RemoteAuthentication> = {}, secrets: readonly SharedSecret[] = []): VpnConfiguration {
  return {
    ...configuration,
    connections: [connection, { ...eapConnection, remote: { ...eapConnection.remote, ...remote } }],
    secrets: [...configuration.secrets, user('eap-alice', ['alice'], 'clientPass'), ...secrets],
  }
}

const root = makeAuthority('C=CH, O=Test, CN=Root', testKey('p256', 'root'))

/** The gateway proves who it is by a certificate. */
export function withCertificate(vpn: VpnConfiguration): VpnConfiguration {
  const key = testKey('p256', 'server')
  const subject = 'C=CH, O=Test, CN=vpn.example.org'
  const alternativeNames = [parseIdentity('vpn.example.org')]
  const { der } = makeCertificate({ subject, key, issuer: root, extendedKeyUsage: [keyPurpose.serverAuth], alternativeNames })
  return {
    ...vpn,
    connections: vpn.connections.map((one) => ({ ...one, local: { ...one.local, auth: 'pubkey', certs: ['server'] } })),
    certificates: [{ name: 'server', chain: [der], secret: 'private-server' }],
    secrets: [...vpn.secrets, ownKey('private-server', key.pkcs8)],
  }
}

export const trust: GatewayTrust = { authorities: [{ name: 'root', certificate: root.der, crls: [] }], nowMs: 1_700_000_000_000 }

/** Logs in as `name` with these passwords, one after the other. */
export function login(name: string, ...passwords: readonly string[]): Partial<InitiatorOptions> {
  return { eap: { user: name, ntHashes: passwords.map(ntHash) }, secret: toUtf8('hello') }
}
