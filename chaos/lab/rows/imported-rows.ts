/** Gateways with the configuration of a strongSwan server, as `evpc import` translates it: who could connect there connects here. */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { swanctlSource } from '../../../src/cli/import.ts'
import { importSwanctl } from '../../../src/config/swanctl-import.ts'
import { LabError } from '../lab-error.ts'
import { LabAuthority } from '../lab-pki.ts'
import { CLUSTER_ADDRESS, INSIDE_NET, POOL } from '../network.ts'
import { CLIENT_ID, GATEWAY_ID, PRE_SHARED_KEY } from '../strongswan.ts'
import { clientFile } from './configuration.ts'
import type { Row, RowSetting } from './row.ts'

const USER = 'dora'
const PASSWORD = 'correct horse battery staple'

/** Road warriors of three kinds, with what they have in common in a section of its own, as operators write it. */
const serverFile = `# the gateway of the lab, as it was
defaults {
  version = 2
  local_addrs = ${CLUSTER_ADDRESS}
  pools = users
  send_cert = always
  children {
    net {
      local_ts = ${INSIDE_NET}
      esp_proposals = aes128gcm16-x25519, aes256-sha256, default
      dpd_action = clear
    }
  }
}
by-certificate {
  local { auth = pubkey
    certs = server.pem
    id = ${GATEWAY_ID} }
}
connections {
  keys : defaults {
    proposals = aes128-sha256-x25519, default
    local { auth = psk
      id = @${GATEWAY_ID} }
    remote { auth = psk }
  }
  certificates : defaults, by-certificate {
    remote { auth = pubkey
      cacerts = root.pem
      revocation = ifuri }
  }
  users : defaults, by-certificate {
    remote { auth = eap-mschapv2
      eap_id = %any }
  }
}
include conf.d/*.conf
`

const secretsFile = `secrets {
  ike-${CLIENT_ID} { id = ${CLIENT_ID}
    secret = "${PRE_SHARED_KEY}" }
  eap-${USER} { id = ${USER}
    secret = "${PASSWORD}" }
}
pools { users { addrs = ${POOL} } }
`

async function setUp(folder: string): Promise<RowSetting> {
  const root = await LabAuthority.create(folder, 'lab', 'p256')
  const server = await root.issue(GATEWAY_ID, 'p256', 'serverAuth')
  const client = await root.issue('bob', 'p256', 'clientAuth')
  const authority = await root.certificate()
  const file = join(folder, 'swanctl', 'swanctl.conf')
  const files = {
    'swanctl.conf': serverFile,
    'conf.d/secrets.conf': secretsFile,
    'x509/server.pem': server.certificate,
    'private/server.key': server.key,
    'x509ca/root.pem': authority,
  }
  for (const [name, content] of Object.entries(files)) {
    const path = join(dirname(file), name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
  const imported = importSwanctl(file, swanctlSource())
  if (imported.connections !== 3) throw new LabError(`${imported.connections} of 3 connections were imported`)
  const gateway = ['auth = pubkey', `id = ${GATEWAY_ID}`]
  return {
    gateways: { vpn: imported.yaml },
    clients: [
      clientFile(),
      clientFile(
        { local: ['auth = pubkey', 'certs = client.pem', 'id = bob'], remote: gateway, secrets: '' },
        { files: { 'x509/client.pem': client.certificate, 'private/client.key': client.key, 'x509ca/root.pem': authority } },
      ),
      clientFile(
        {
          local: ['auth = eap-mschapv2', 'id = road.example.org', `eap_id = ${USER}`],
          remote: gateway,
          secrets: `eap-1 { id = ${USER}\n secret = "${PASSWORD}" }`,
        },
        { files: { 'x509ca/root.pem': authority } },
      ),
    ],
  }
}

export const importedRows: readonly Row[] = [
  { name: 'imported', title: 'a strongSwan server’s swanctl.conf, imported: its clients by key, certificate and password', setUp },
]
