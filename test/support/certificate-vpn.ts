/** A VPN configuration with certificates both ways for clusters of tests, and the clients that fit it. */

import type { ClientOptions } from '../../src/client/client.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { AuthorityConfiguration, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import { wallMs } from './contexts.ts'
import { makeAuthority, makeCertificate, makeList, testKey } from './pki.ts'
import { testVpn } from './vpn.ts'

export const root = makeAuthority('CN=Root', testKey('p256', 'root'))
const server = makeCertificate({
  subject: 'CN=vpn',
  key: testKey('p256', 'server'),
  issuer: root,
  alternativeNames: [parseIdentity('vpn.example.org')],
})

export function rootAuthority(crls: readonly Bytes[] = []): AuthorityConfiguration {
  return { name: 'root', certificate: root.der, crls }
}

/** The root's list of these serial numbers. */
export function revocationList(...revoked: readonly number[]): Bytes {
  return makeList({ issuer: root, revoked })
}

/** The connection of `testVpn`, with certificates. */
export function certificateVpn(sealer: Sealer, authorities: readonly AuthorityConfiguration[] = [rootAuthority()]): VpnConfiguration {
  const base = testVpn(sealer, 14)
  const [connection] = base.connections
  return {
    ...base,
    connections: [
      {
        ...connection!,
        local: { auth: 'pubkey', id: 'vpn.example.org', certs: ['server'] },
        remote: { auth: 'pubkey', id: '%any', cacerts: [], revocation: 'relaxed' },
      },
    ],
    secrets: [{ name: 'private-server', ids: [], secret: sealer.seal('secret/private-server', testKey('p256', 'server').pkcs8) }],
    certificates: [{ name: 'server', chain: [server.der], secret: 'private-server' }],
    authorities,
  }
}

/** A client of this name whose certificate has this serial number. */
export function certificateClient(name: string, serial: number): Partial<ClientOptions> {
  const key = testKey('p256', 'client')
  const { der } = makeCertificate({ subject: `CN=${name}`, key, issuer: root, serial, alternativeNames: [parseIdentity(name)] })
  return {
    identity: parseIdentity(name),
    remoteIdentity: parseIdentity('vpn.example.org'),
    certificate: { chain: [der], key: key.pkcs8 },
    trust: { authorities: [rootAuthority()], nowMs: wallMs },
  }
}
