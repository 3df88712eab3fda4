/** What most rows' files have in common: a connection with a pre-shared key, both sides' defaults where a row has nothing of its own. */

import { CLUSTER_ADDRESS, INSIDE_NET, POOL } from '../network.ts'
import type { StrongSwanSettings } from '../strongswan.ts'
import { CLIENT_ID, GATEWAY_ID, PRE_SHARED_KEY } from '../strongswan.ts'

/** vpn.yaml's parts; each has a default. */
export interface VpnParts {
  /** Keys of the connection, one a line. */
  readonly connection?: readonly string[]
  readonly local?: string
  readonly remote?: string
  /** Keys of the child beside local_ts. */
  readonly child?: readonly string[]
  readonly localTs?: string
  readonly pools?: string
  readonly secrets?: string
}

export function vpnFile(parts: VpnParts = {}): string {
  const { connection = [], child = [], localTs = INSIDE_NET } = parts
  return `connections:
  rw:
    pools: [users]
    local:  ${parts.local ?? `{ auth: psk, id: ${GATEWAY_ID} }`}
    remote: ${parts.remote ?? "{ auth: psk, id: '%any' }"}
${connection.map((line) => `    ${line}\n`).join('')}    children:
      net:
        local_ts: [${localTs}]
${child.map((line) => `        ${line}\n`).join('')}pools: ${parts.pools ?? `{ users: { addrs: [${POOL}] } }`}
secrets: ${parts.secrets ?? `{ ike-all: { secret: '${PRE_SHARED_KEY}' } }`}
`
}

/** swanctl.conf's parts; each has a default. */
export interface ClientParts {
  readonly id?: string
  readonly secret?: string
  /** Lines of the connection, of its sections `local` and `remote`, of its child `home`, and whole sections of further children. */
  readonly connection?: readonly string[]
  readonly local?: readonly string[]
  readonly remote?: readonly string[]
  readonly child?: readonly string[]
  readonly children?: readonly string[]
  /** Replaces the section `secrets`. */
  readonly secrets?: string
  readonly vips?: string
  readonly remoteTs?: string
}

export function clientFile(parts: ClientParts = {}, more: Omit<StrongSwanSettings, 'configuration'> = {}): StrongSwanSettings {
  const { id = CLIENT_ID, secret = PRE_SHARED_KEY, connection = [], child = [], children = [], vips = '0.0.0.0' } = parts
  const { local = ['auth = psk', `id = ${id}`], remote = ['auth = psk', `id = ${GATEWAY_ID}`], remoteTs = INSIDE_NET } = parts
  const configuration = `
connections { home { version = 2
  remote_addrs = ${CLUSTER_ADDRESS}
  vips = ${vips}
  dpd_delay = 2s
  ${connection.join('\n  ')}
  local { ${local.join('\n    ')} }
  remote { ${remote.join('\n    ')} }
  children { home { remote_ts = ${remoteTs}
    ${child.join('\n    ')} }
    ${children.join('\n    ')} } } }
secrets { ${parts.secrets ?? `ike-1 { secret = "${secret}" }`} }
`
  return { configuration, ...more }
}
