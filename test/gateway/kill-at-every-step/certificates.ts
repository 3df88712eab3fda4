/** Clients and a cluster that prove by certificates who they are, each with an intermediate authority; the signatures are real. */

import assert from 'node:assert/strict'
import { parseIdentity } from '../../../src/context/identity.ts'
import type { VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import type { Sealer } from '../../../src/kit/sealer.ts'
import { wallMs } from '../../support/contexts.ts'
import type { KeyType } from '../../support/pki.ts'
import { makeAuthority, makeCertificate, testKey } from '../../support/pki.ts'
import type { Scenario } from './scenario.ts'

const root = makeAuthority('CN=Root', testKey('p256', 'kill root'))
const intermediate = makeAuthority('CN=Intermediate', testKey('p256', 'kill intermediate'), { issuer: root })
const authorities = [{ name: 'root', certificate: root.der, crls: [] }]

function certificate(name: string, type: KeyType, serial: number): readonly Uint8Array[] {
  const alternativeNames = [parseIdentity(name)]
  const { der } = makeCertificate({ subject: `CN=${name}`, key: testKey(type, name), issuer: intermediate, serial, alternativeNames })
  return [der, intermediate.der]
}

function signing(gateway: KeyType): NonNullable<Scenario['vpn']> {
  const chain = certificate('vpn.example.org', gateway, 3)
  return (vpn: VpnConfiguration, sealer: Sealer) => ({
    ...vpn,
    connections: vpn.connections.map((one) => ({
      ...one,
      local: { auth: 'pubkey', id: 'vpn.example.org', certs: ['server'] },
      remote: { auth: 'pubkey', id: '%any', cacerts: [], revocation: 'relaxed' },
    })),
    secrets: [{ name: 'private-server', ids: [], secret: sealer.seal('secret/private-server', testKey(gateway, 'vpn.example.org').pkcs8) }],
    certificates: [{ name: 'server', chain, secret: 'private-server' }],
    authorities,
  })
}

/** A client of the one kind of key, a cluster of the other. */
export function connectingWithCertificates(client: KeyType, gateway: KeyType): Pick<Scenario, 'client' | 'vpn' | 'ends' | 'holds'> {
  return {
    client: {
      identity: parseIdentity('alice.example.org'),
      remoteIdentity: parseIdentity('vpn.example.org'),
      certificate: { chain: certificate('alice.example.org', client, 0x8001), key: testKey(client, 'alice.example.org').pkcs8 },
      trust: { authorities, nowMs: wallMs },
    },
    vpn: signing(gateway),
    ends: 'up',
    holds: ({ view }) => {
      const { credential } = view!.context
      assert.deepEqual(credential?.type === 'certificate' && credential.chain.map(({ serial }) => [...serial]).slice(0, 1), [[0, 0x80, 1]])
      assert.equal(credential?.type === 'certificate' && credential.chain.length, 2)
    },
  }
}
