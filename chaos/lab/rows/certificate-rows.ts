/** Clients and gateways that prove who they are by certificates, of each kind of key; and certificates that are refused. */

import { LabAuthority } from '../lab-pki.ts'
import type { Issued, KeyKind } from '../lab-pki.ts'
import { CLIENT_ID, GATEWAY_ID } from '../strongswan.ts'
import { clientFile, vpnFile } from './configuration.ts'
import type { Row, RowSetting } from './row.ts'

interface Certificates {
  readonly root: LabAuthority
  /** Of the client's certificate. */
  readonly issuer: LabAuthority
  readonly server: Issued
  readonly client: Issued
}

interface Ways {
  readonly kind: KeyKind
  /** `auth` on our side, and on the client's of both sides. */
  readonly auth?: 'pubkey' | 'rsa/pss'
  readonly clientAuth?: string
  /** Of whom the client's certificate is, if not of the gateways' authority. */
  readonly clientOf?: (folder: string, root: LabAuthority) => Promise<LabAuthority>
  /** Names on the authority's revocation list; none: there is no list. */
  readonly revoked?: readonly string[]
  /** The client says its subject, not its name. */
  readonly bySubject?: boolean
  /** How long the client's certificate is valid; 0: it has expired by the time that the gateways are up. */
  readonly clientDays?: number
}

async function certificates(folder: string, { kind, clientOf, clientDays }: Ways): Promise<Certificates> {
  const root = await LabAuthority.create(folder, 'lab', kind)
  const issuer = clientOf === undefined ? root : await clientOf(folder, root)
  return {
    root,
    issuer,
    server: await root.issue(GATEWAY_ID, kind, 'serverAuth'),
    client: await issuer.issue(CLIENT_ID, kind, 'clientAuth', clientDays),
  }
}

async function setUp(folder: string, ways: Ways): Promise<RowSetting> {
  const { root, issuer, server, client } = await certificates(folder, ways)
  const { auth = 'pubkey', clientAuth = 'pubkey', revoked = [], bySubject = false } = ways
  const list = revoked.length === 0 ? {} : { 'root.crl': await root.revocationList(...revoked) }
  const authority = await root.certificate()
  const vpn = vpnFile({
    local: `{ auth: ${auth}, id: ${GATEWAY_ID}, certs: server.pem }`,
    remote: "{ auth: pubkey, id: '%any' }",
    secrets: '{ private-server: { file: server.key } }',
  })
  const authorities = `authorities: { lab: { cacert: root.pem${revoked.length === 0 ? '' : ', crls: root.crl'} } }\n`
  return {
    gateways: {
      vpn: vpn + authorities,
      files: { 'server.pem': server.certificate, 'server.key': server.key, 'root.pem': authority, ...list },
    },
    clients: [
      clientFile(
        {
          local: [`auth = ${clientAuth}`, 'certs = client.pem', ...(bySubject ? [] : [`id = ${CLIENT_ID}`])],
          remote: [`auth = ${clientAuth}`, `id = ${GATEWAY_ID}`],
          secrets: '',
        },
        {
          files: {
            'x509/client.pem': client.certificate,
            'private/client.key': client.key,
            'x509ca/root.pem': authority,
            ...(issuer === root ? {} : { 'x509ca/issuer.pem': await issuer.certificate() }),
          },
        },
      ),
    ],
  }
}

function row(name: string, title: string, ways: Ways): Row {
  return { name, title, setUp: async (folder) => setUp(folder, ways) }
}

function refused(name: string, title: string, reason: string, ways: Ways): Row {
  return { ...row(name, title, ways), refusal: { says: /received AUTHENTICATION_FAILED notify error/, counted: `auth-${reason}` } }
}

export const certificateRows: readonly Row[] = [
  row('cert-rsa', 'certificates with RSA keys of 3072 bits', { kind: 'rsa' }),
  row('cert-rsa-pss', 'certificates with RSA keys, which sign by PSS', {
    kind: 'rsa',
    auth: 'rsa/pss',
    clientAuth: 'ike:rsa/pss-sha256',
  }),
  row('cert-p256', 'certificates with ECDSA keys on P-256', { kind: 'p256' }),
  row('cert-p384', 'certificates with ECDSA keys on P-384; the client is its subject', { kind: 'p384', bySubject: true }),
  row('cert-p521', 'certificates with ECDSA keys on P-521', { kind: 'p521' }),
  row('cert-ed25519', 'certificates with Ed25519 keys', { kind: 'ed25519' }),
  row('cert-chain', 'an authority between the root and the client, which the client sends along', {
    kind: 'p256',
    clientOf: async (folder, root) => LabAuthority.create(folder, 'between', 'p256', root),
  }),
  refused('cert-revoked', 'a certificate that is revoked is refused', 'revoked', { kind: 'p256', revoked: [CLIENT_ID] }),
  refused('cert-expired', 'a certificate that has expired is refused', 'expired', { kind: 'p256', clientDays: 0 }),
  refused('cert-foreign', 'a certificate of an authority that is not ours is refused', 'unknown-authority', {
    kind: 'p256',
    clientOf: async (folder) => LabAuthority.create(folder, 'other', 'p256'),
  }),
]
