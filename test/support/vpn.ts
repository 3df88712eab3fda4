/** The VPN configuration that clusters of tests and of the simulator have. */

import { defaultEspProposals, defaultIkeProposals } from '../../src/client/defaults.ts'
import type { ChildLifetimes, IkeLifetimes, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { connectionDefaults, noChildLifetimes, noIkeLifetimes, poolDefaults } from '../../src/context/vpn-configuration.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import type { Sealer } from '../../src/kit/sealer.ts'

/** One connection with one child, whose clients get addresses from 10.77.0.1 on; its one secret is `hello`. */
export function testVpn(
  sealer: Sealer,
  addresses: number,
  espProposals = defaultEspProposals,
  ikeProposals = defaultIkeProposals,
): VpnConfiguration {
  const any = { protocol: 0, startPort: 0, endPort: 65_535 }
  const localTs = [{ ...any, start: Uint8Array.of(10, 50, 0, 0), end: Uint8Array.of(10, 50, 0, 255) }]
  return {
    connections: [
      {
        ...connectionDefaults,
        name: 'rw',
        ikeProposals,
        pools: ['users'],
        local: { auth: 'psk', id: 'vpn.example.org', certs: [] },
        remote: { auth: 'psk', id: '%any', cacerts: [], revocation: 'relaxed' },
        children: [{ name: 'net', localTs, espProposals }],
      },
    ],
    pools: [
      {
        ...poolDefaults,
        name: 'users',
        ranges: [{ start: Uint8Array.of(10, 77, 0, 1), end: Uint8Array.of(10, 77, 0, addresses) }],
        dns: [],
      },
    ],
    secrets: [{ name: 'ike-all', ids: [], secret: sealer.seal('secret/ike-all', toUtf8('hello')) }],
    certificates: [],
    authorities: [],
  }
}

/** A change of a configuration: every connection and every child has these lifetimes. */
export function withLifetimes(
  ike: Partial<IkeLifetimes>,
  child: Partial<ChildLifetimes> = {},
): (vpn: VpnConfiguration) => VpnConfiguration {
  return (vpn) => ({
    ...vpn,
    connections: vpn.connections.map((connection) => ({
      ...connection,
      lifetimes: { ...noIkeLifetimes, ...ike },
      children: connection.children.map((one) => ({ ...one, lifetimes: { ...noChildLifetimes, ...child } })),
    })),
  })
}
