import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblem } from '../../src/config/problem.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import type { ChildLifetimes, IkeLifetimes } from '../../src/context/vpn-configuration.ts'
import { noChildLifetimes } from '../../src/context/vpn-configuration.ts'

function file(connection: string, child: string): string {
  return `connections:
  rw:
    pools: users
    local: { id: gw }${connection === '' ? '' : `\n    ${connection}`}
    children:
      net:
        local_ts: 10.50.0.0/24${child === '' ? '' : `\n        ${child}`}
pools: { users: { addrs: 10.77.0.0/24 } }
secrets: { ike: { secret: hello } }
`
}

function parse(connection: string, child: string) {
  return parseVpn(file(connection, child), 'vpn.yaml', (_field, secret) => secret)
}

function lifetimes(connection: string, child: string): { ike: IkeLifetimes; child: ChildLifetimes } {
  const checked = parse(connection, child)
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  const [first] = checked.value.connections
  return { ike: first!.lifetimes!, child: first!.children[0]!.lifetimes! }
}

test('by default the gateway rekeys later than clients, no Child SA, and asks after an hour of silence', () => {
  const { ike, child } = lifetimes('', '')
  assert.deepEqual(ike, { rekeyTime: 43_200, overTime: 4320, randTime: 4320, dpdDelay: 3600 })
  assert.deepEqual(child, noChildLifetimes)
})

const ikes: readonly [keys: string, IkeLifetimes][] = [
  ['rekey_time: 4h', { rekeyTime: 14_400, overTime: 1440, randTime: 1440, dpdDelay: 3600 }],
  ['rekey_time: 0', { rekeyTime: 0, overTime: 0, randTime: 0, dpdDelay: 3600 }],
  ['{ rekey_time: 90s, over_time: 1m, rand_time: 10, dpd_delay: 0s }', { rekeyTime: 90, overTime: 60, randTime: 10, dpdDelay: 0 }],
  ['{ reauth_time: 0, dpd_delay: 2d }', { rekeyTime: 43_200, overTime: 4320, randTime: 4320, dpdDelay: 172_800 }],
]
for (const [keys, expected] of ikes) {
  test(`a connection with ${keys}`, () => {
    const lines = keys
      .replace(/^\{ (.*) \}$/, '$1')
      .split(', ')
      .join('\n    ')
    assert.deepEqual(lifetimes(lines, '').ike, expected)
  })
}

const children: readonly [keys: string, Partial<ChildLifetimes>][] = [
  ['rekey_time: 1h', { rekeyTime: 3600, lifeTime: 3960, randTime: 360 }],
  ['life_time: 66m', { rekeyTime: 3600, lifeTime: 3960, randTime: 360 }],
  ['rekey_time: 0, life_time: 1h', { rekeyTime: 0, lifeTime: 3600, randTime: 0 }],
  ['rekey_time: 60, life_time: 600, rand_time: 6', { rekeyTime: 60, lifeTime: 600, randTime: 6 }],
  ['rekey_bytes: 1g', { rekeyBytes: 2 ** 30, lifeBytes: 2 ** 30 + 107_374_183, randBytes: 107_374_183 }],
  ['rekey_packets: 1000, rand_packets: 0', { rekeyPackets: 1000, lifePackets: 1100, randPackets: 0 }],
]
for (const [keys, expected] of children) {
  test(`a child with ${keys}`, () => {
    assert.deepEqual(lifetimes('', keys.split(', ').join('\n        ')).child, { ...noChildLifetimes, ...expected })
  })
}

const time = 'a time of 0 to 366 days, such as 3600, 90s, 30m, 4h or 1d'
const wrong: readonly [connection: string, child: string, problem: string][] = [
  ['rekey_time: soon', '', `vpn.yaml:5:17 connections.rw.rekey_time: expected ${time}, got "soon"`],
  ['dpd_delay: -1', '', `vpn.yaml:5:16 connections.rw.dpd_delay: expected ${time}, got -1`],
  ['over_time: 1w', '', `vpn.yaml:5:16 connections.rw.over_time: expected ${time}, got "1w"`],
  ['rand_time: 400d', '', `vpn.yaml:5:16 connections.rw.rand_time: expected ${time}, got "400d"`],
  [
    'reauth_time: 3h',
    '',
    'vpn.yaml:5:18 connections.rw.reauth_time: expected 0; the gateway rekeys IKE SAs and makes no client authenticate anew, got "3h"',
  ],
  ['life_time: 3h', '', 'vpn.yaml:5:5 connections.rw.life_time: expected the key '],
  [
    '',
    'life_bytes: 1.5',
    'vpn.yaml:8:21 connections.rw.children.net.life_bytes: expected a number of octets, such as 1000000, 64k, 500m or 2g, got 1.5',
  ],
  ['', 'rekey_packets: 5k', 'vpn.yaml:8:24 connections.rw.children.net.rekey_packets: expected a number of packets, got "5k"'],
  ['', 'rekey_bytes: 99999999999g', 'vpn.yaml:8:22 connections.rw.children.net.rekey_bytes: expected a number of octets'],
  [
    '',
    'rekey_time: 60\n        life_time: 60',
    'vpn.yaml:9:20 connections.rw.children.net.life_time: expected more than rekey_time (60), got 60',
  ],
  [
    '',
    'rekey_time: 60\n        rand_time: 61',
    'vpn.yaml:9:20 connections.rw.children.net.rand_time: expected at most rekey_time (60), got 61',
  ],
  ['', 'dpd_action: clear', 'vpn.yaml:8:9 connections.rw.children.net.dpd_action: expected the key '],
]
for (const [connection, child, problem] of wrong) {
  test(`vpn.yaml with ${(connection || child).replaceAll(/\s+/g, ' ')} is refused, with the place and what would be right`, () => {
    const checked = parse(connection, child)
    assert.ok(!checked.ok)
    const [first, ...others] = checked.problems.map(formatProblem)
    assert.deepEqual(others, [])
    assert.equal(first!.slice(0, problem.length), problem)
  })
}
