/**
 * Clients that log in with EAP-MSCHAPv2 at gateways with a certificate: asked for their name or not, with a Windows domain in front of it,
 * and with what is wrong.
 */

import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { toHex } from '../../../src/kit/bytes.ts'
import { check } from '../check.ts'
import { LabAuthority } from '../lab-pki.ts'
import { GATEWAY_ID } from '../strongswan.ts'
import { clientFile, vpnFile } from './configuration.ts'
import type { Row, RowSetting } from './row.ts'

const USER = 'dora'
const PASSWORD = 'correct horse battery staple'
/** The identity of IKE of clients that say who they are only when asked. */
const ROAD = 'road.example.org'

interface Login {
  /** What the client says; its identity of IKE is another where it is asked. */
  readonly user?: string
  readonly password?: string
  /** The connection's `eap_id`; null: none. */
  readonly eapId?: string | null
  /** The gateways' secret of the user. */
  readonly secret?: string
}

async function setUp(folder: string, login: Login): Promise<RowSetting> {
  const { user = USER, password = PASSWORD, eapId = '%any', secret = `eap-dora: { id: ${USER}, secret: '${PASSWORD}' }` } = login
  const root = await LabAuthority.create(folder, 'lab', 'p256')
  const server = await root.issue(GATEWAY_ID, 'p256', 'serverAuth')
  // In swanctl.conf a backslash is written twice.
  const name = user.replace('\\', '\\\\')
  const id = eapId === '%any' ? ROAD : USER
  return {
    gateways: {
      vpn: vpnFile({
        local: `{ auth: pubkey, id: ${GATEWAY_ID}, certs: server.pem }`,
        remote: `{ auth: eap-mschapv2${eapId === null ? '' : `, eap_id: '${eapId}'`} }`,
        secrets: `{ private-server: { file: server.key }, ${secret} }`,
      }),
      files: { 'server.pem': server.certificate, 'server.key': server.key },
    },
    clients: [
      clientFile(
        {
          local: ['auth = eap-mschapv2', `id = ${id}`, `eap_id = "${name}"`],
          remote: ['auth = pubkey', `id = ${GATEWAY_ID}`],
          secrets: `eap-1 { id = "${name}"\n secret = "${password}" }`,
        },
        { files: { 'x509ca/root.pem': await root.certificate() } },
      ),
    ],
  }
}

/** Whatever the client calls itself, operators see the user that the configuration names. */
function row(name: string, title: string, login: Login = {}): Row {
  return {
    name,
    title,
    setUp: async (folder) => setUp(folder, login),
    async verdict({ cluster }) {
      const { identity } = await cluster.session()
      return [check('the session is the user’s', identity === USER, String(identity))]
    },
  }
}

function refused(name: string, title: string, login: Login): Row {
  const says = /EAP-MS-CHAPv2 failed with error ERROR_AUTHENTICATION_FAILURE/
  return { name, title, setUp: async (folder) => setUp(folder, login), refusal: { says, counted: 'login-failed' } }
}

export const eapRows: readonly Row[] = [
  row('eap', 'EAP-MSCHAPv2 at gateways with a certificate; the client is asked for its name'),
  row('eap-domain', 'a user name with a Windows domain in front', { user: `EXAMPLE\\${USER}` }),
  row('eap-ntlm', 'the gateways know the NT hash only', { secret: `ntlm-dora: { id: ${USER}, secret: '0x${toHex(ntHash(PASSWORD))}' }` }),
  row('eap-fixed', 'one user, who is not asked for his name', { eapId: USER }),
  row('eap-ike-identity', 'the user is the identity of IKE', { eapId: null }),
  refused('eap-wrong', 'a wrong password is refused', { password: 'incorrect horse battery staple' }),
  refused('eap-unknown', 'a user that nobody is is refused as a wrong password is', { user: 'nobody' }),
]
