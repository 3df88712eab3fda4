/** gateway.yaml: defaults, and every problem with file, line, column, field, what was expected and what stands there. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBalanceSettings } from '../../src/gateway/balance/balancer.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import { parseGatewayConfig } from '../../src/config/gateway-config.ts'
import type { GatewayConfig } from '../../src/config/gateway-config.ts'
import { formatProblem } from '../../src/config/problem.ts'

const file = '/etc/evpc/gateway.yaml'

/** The shortest file: ids, addresses and files only. */
const shortest = `gateway: { id: sg1, dataDir: data }
cluster:
  name: paris
  listen: 10.0.0.11:7400
  members: { sg1: 10.0.0.11:7400, sg2: 10.0.0.12:7400 }
  tls: { ca: ca.pem, cert: sg1.pem, key: sg1.key }
address: { ips: [10.99.0.100], interface: eth0 }
admin: { tokenFile: admin.token }
`

function parse(content: string): GatewayConfig {
  const checked = parseGatewayConfig(content, file)
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  return checked.value
}

function problems(content: string): string[] {
  const checked = parseGatewayConfig(content, 'gateway.yaml')
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

test('every key but ids, addresses and files has a default', () => {
  const { gateway, address, inside, mesh, dataplane, admin, timing, replay, ike, balance } = parse(shortest)
  assert.equal(gateway.capacity, 1)
  assert.equal(gateway.nice, -10)
  assert.deepEqual(address, { ips: ['10.99.0.100'], ports: [500, 4500], anchor: 'vip', interface: 'eth0', reply: 'direct' })
  assert.equal(inside, null)
  assert.deepEqual(mesh.listen, { host: '10.0.0.11', port: 7401 })
  assert.deepEqual(dataplane, { type: 'tun', name: 'evpc0', mtu: 1400, path: 'auto' })
  const listen = { host: '127.0.0.1', port: 7480 }
  const tokens = { tokenFile: '/etc/evpc/admin.token', readTokenFile: null }
  assert.deepEqual(admin, { listen, ...tokens, tls: null, requestsPerSecond: 200 })
  assert.deepEqual(timing, { heartbeatMs: 50, electionTimeoutMs: 300, gatewayDownMs: 300, servingLeaseMs: 2000 })
  assert.deepEqual(replay, { horizonMs: 50 })
  assert.deepEqual(ike, defaultIkeLimits)
  assert.deepEqual(balance, defaultBalanceSettings)
})

test('the balancer can be switched off, and each of its limits set', () => {
  const settings = { enabled: false, thresholdPercent: 20, movesPerSecond: 5, holdOffMs: 0, persistMs: 100, restMs: 0 }
  assert.deepEqual(parse(`${shortest}balance: ${JSON.stringify(settings)}\n`).balance, settings)
})

test('the level of the log is info, and that of each module another if told', () => {
  assert.deepEqual(parse(shortest).log, { level: 'info', modules: {} })
  const log = { level: 'warn', modules: { cluster: 'debug', audit: 'info' } }
  assert.deepEqual(parse(`${shortest}log: ${JSON.stringify(log)}\n`).log, log)
  assert.match(problems(`${shortest}log: { level: loud }\n`).join(), /gateway\.yaml:9:15 log\.level: expected .*, got "?loud/)
  assert.match(problems(`${shortest}log: { modules: { nobody: info } }\n`).join(), /log\.modules\.nobody/)
})

test('a section with one key keeps the defaults of the others', () => {
  assert.deepEqual(parse(`${shortest}timing: { heartbeatMs: 20 }\n`).timing, {
    heartbeatMs: 20,
    electionTimeoutMs: 300,
    gatewayDownMs: 300,
    servingLeaseMs: 2000,
  })
})

test('file names are relative to the folder of the file', () => {
  const { gateway, cluster } = parse(shortest.replace('sg1.key', '/keys/sg1.key'))
  assert.equal(gateway.dataDir, '/etc/evpc/data')
  assert.deepEqual(cluster.tls, { ca: '/etc/evpc/ca.pem', cert: '/etc/evpc/sg1.pem', key: '/keys/sg1.key' })
  assert.equal(cluster.sealingKeyFile, null)
})

test('the mesh of the other members is found at their hosts and the own mesh port', () => {
  const { mesh } = parse(`${shortest}mesh: { listen: 10.0.0.11:9000 }\n`)
  assert.deepEqual([...mesh.peers], [['sg2', { host: '10.0.0.12', port: 9000 }]])
})

test('mesh peers can be written down, which gateways that share a host need', () => {
  const shared = shortest.replace('sg2: 10.0.0.12:7400', 'sg2: 10.0.0.11:7500')
  assert.deepEqual(problems(shared), [
    'gateway.yaml:1:1 mesh.peers: expected the mesh address of every other member, since members share a host, got none',
  ])
  const { mesh } = parse(`${shared}mesh: { listen: 10.0.0.11:7401, peers: { sg1: 10.0.0.11:7401, sg2: 10.0.0.11:7501 } }\n`)
  assert.deepEqual([...mesh.peers], [['sg2', { host: '10.0.0.11', port: 7501 }]])
})

test('a gateway that joins names no members, or those of the cluster that it copied its file from', () => {
  const alone = parse(shortest.replace(/  members: .*\n/, '  join: true\n'))
  assert.deepEqual([alone.cluster.join, [...alone.cluster.members], [...alone.mesh.peers]], [true, [], []])
  const copied = parse(shortest.replace('id: sg1', 'id: sg4').replace(/(  members: .*\n)/, '$1  join: true\n'))
  assert.deepEqual([copied.cluster.join, [...copied.cluster.members.keys()]], [true, ['sg1', 'sg2']])
  assert.equal(parse(shortest).cluster.join, false)
})

test('the loopback data plane has its two ends and no interface', () => {
  const { dataplane } = parse(`${shortest}dataplane: { type: loopback, listen: 127.0.0.1:9001, host: "127.0.0.1:9000" }\n`)
  const ends = { listen: { host: '127.0.0.1', port: 9001 }, host: { host: '127.0.0.1', port: 9000 } }
  assert.deepEqual(dataplane, { type: 'loopback', ...ends, mtu: 1400, path: 'auto' })
})

test('IPv6 addresses stand in brackets before a port and get the form of RFC 5952', () => {
  const ipv6 = shortest.replaceAll(/10\.0\.0\.1(\d):7400/g, '"[2001:DB8:0::1$1]:7400"').replace('10.99.0.100', 'fd00:0::1')
  const { cluster, address } = parse(ipv6)
  assert.deepEqual(cluster.listen, { host: '2001:db8::11', port: 7400 })
  assert.deepEqual(address.ips, ['fd00::1'])
})

const cases: readonly { readonly name: string; readonly content: string; readonly expected: readonly string[] }[] = [
  {
    name: 'a word where a number belongs',
    content: `${shortest}timing:\n  heartbeatMs: fast\n`,
    expected: ['gateway.yaml:10:16 timing.heartbeatMs: expected an integer from 5 to 10000 (ms), got "fast"'],
  },
  {
    name: 'an unknown key, with the one that was meant',
    content: shortest.replace('dataDir: data', 'dataDir: data, capcity: 2'),
    expected: ['gateway.yaml:1:36 gateway.capcity: expected the key id, dataDir, capacity or nice, got "capcity" (did you mean capacity?)'],
  },
  {
    name: 'a missing key, at what should hold it',
    content: shortest.replace(', key: sg1.key', ''),
    expected: ['gateway.yaml:6:8 cluster.tls.key: expected the key key, got no such key'],
  },
  {
    name: 'a missing section',
    content: shortest.replace(/^admin.*\n/m, ''),
    expected: ['gateway.yaml:1:1 admin: expected the key admin, got no such key'],
  },
  {
    name: 'a key without a value',
    content: shortest.replace('name: paris', 'name:'),
    expected: [
      'gateway.yaml:3:8 cluster.name: expected letters, digits, dots, hyphens and underscores, at most 63, the first a letter or digit, got nothing',
    ],
  },
  {
    name: 'a list where a map belongs',
    content: shortest.replace('{ tokenFile: admin.token }', '[admin.token]'),
    expected: ['gateway.yaml:8:8 admin: expected a map of keys and values, got a list'],
  },
  {
    name: 'the same key twice',
    content: `${shortest}admin: { tokenFile: other }\n`,
    expected: ['gateway.yaml:9:1 admin: expected each key once, got "admin" again'],
  },
  {
    name: 'an own id that is no member',
    content: shortest.replace('id: sg1', 'id: sg9'),
    expected: ["gateway.yaml:5:12 cluster.members: expected sg9, this gateway's id, among the members, or join: true, got sg1, sg2"],
  },
  {
    name: 'no members, and nothing to join',
    content: shortest.replace(/  members: .*\n/, ''),
    expected: ['gateway.yaml:3:3 cluster.members: expected 1 to 7 first members, or join: true, got 0'],
  },
  {
    name: 'a gateway that joins and does not say where it is dialled',
    content: shortest.replace(/  members: .*\n/, '  join: true\n').replace('listen: 10.0.0.11', 'listen: 0.0.0.0'),
    expected: [
      'gateway.yaml:4:11 cluster.listen: expected an address that others can dial, or such a one for this gateway in members, got 0.0.0.0',
    ],
  },
  {
    name: 'join with another word than true or false',
    content: shortest.replace(/(  members: .*\n)/, '$1  join: "yes"\n'),
    expected: ['gateway.yaml:6:9 cluster.join: expected true or false, got "yes"'],
  },
  {
    name: 'two members at one address',
    content: shortest.replace('10.0.0.12', '10.0.0.11') + 'mesh: { peers: { sg2: 10.0.0.11:1 } }\n',
    expected: ['gateway.yaml:5:40 cluster.members.sg2: expected an address of its own, not that of sg1, got "10.0.0.11:7400"'],
  },
  {
    name: 'a mesh address that is missing',
    content: `${shortest}mesh: { peers: { sg3: 10.0.0.13:7401 } }\n`,
    expected: ['gateway.yaml:9:16 mesh.peers: expected the mesh address of every other member, got none for sg2'],
  },
  {
    name: 'members of another address family than the listener',
    content: shortest.replace('sg2: 10.0.0.12:7400', 'sg2: "[fd00::2]:7400"'),
    expected: ['gateway.yaml:5:40 cluster.members.sg2: expected an IPv4 address as in cluster.listen, got "[fd00::2]:7400"'],
  },
  {
    name: 'an announced address without an interface',
    content: shortest.replace(', interface: eth0', ''),
    expected: ['gateway.yaml:7:10 address.interface: expected the interface that the address is announced on (anchor vip), got none'],
  },
  {
    name: 'one address outside and inside',
    content: `${shortest}inside: { ips: [10.99.0.100], interface: eth1 }\n`,
    expected: ['gateway.yaml:7:17 address.ips: expected every address once, inside included, got "10.99.0.100" twice'],
  },
  {
    name: 'one port for two purposes',
    content: shortest.replace('interface: eth0', 'interface: eth0, ports: [4500, 4500]'),
    expected: ['gateway.yaml:7:56 address.ports: expected two different ports, IKE and NAT traversal, got 4500 twice'],
  },
  {
    name: 'an election timeout that the heartbeat does not beat',
    content: `${shortest}timing: { heartbeatMs: 300 }\n`,
    expected: [
      'gateway.yaml:9:9 timing.electionTimeoutMs: expected more than heartbeatMs (300), got 300',
      'gateway.yaml:9:9 timing.gatewayDownMs: expected more than heartbeatMs (300), got 300',
    ],
  },
  {
    name: 'a serving lease that an election outlives',
    content: `${shortest}timing: { servingLeaseMs: 1499 }\n`,
    expected: ['gateway.yaml:9:27 timing.servingLeaseMs: expected at least 5 times electionTimeoutMs (1500), got 1499'],
  },
  {
    name: 'a type of data plane that there is not',
    content: `${shortest}dataplane: { type: tap, name: 5 }\n`,
    expected: ['gateway.yaml:9:20 dataplane.type: expected tun or loopback, got "tap"'],
  },
  {
    name: 'a key of the other type of data plane',
    content: `${shortest}dataplane: { host: 127.0.0.1:1 }\n`,
    expected: ['gateway.yaml:9:14 dataplane.host: expected the key type, name, mtu or path, got "host"'],
  },
  {
    name: 'a switch that is neither on nor off',
    content: `${shortest}balance: { enabled: "no", movesPerSecond: 0, threshold: 5 }\n`,
    expected: [
      'gateway.yaml:9:21 balance.enabled: expected true or false, got "no"',
      'gateway.yaml:9:43 balance.movesPerSecond: expected an integer from 1 to 1000 (sessions), got 0',
      'gateway.yaml:9:46 balance.threshold: expected the key enabled, thresholdPercent, movesPerSecond, holdOffMs, persistMs or restMs, got "threshold"',
    ],
  },
  { name: 'an empty file', content: '', expected: ['gateway.yaml:1:1 expected a map of keys and values, got nothing'] },
]

for (const { name, content, expected } of cases) {
  test(`a problem has its place: ${name}`, () => assert.deepEqual(problems(content), expected))
}

test('all problems are reported at once, in the order of the file', () => {
  const content = shortest.replace('id: sg1', 'id: "a b"').replace('10.0.0.11:7400', '10.0.0.11').replace('10.99.0.100', '10.99.0.300')
  const fields = problems(`${content}replay: { horizonMs: 0 }\n`).map((line) => line.split(' ')[1])
  assert.deepEqual(fields, ['gateway.id:', 'cluster.listen:', 'address.ips[0]:', 'replay.horizonMs:'])
})

test('an alias counts as what it stands for, and its problem is where it stands', () => {
  const content = shortest.replace('dataDir: data', 'dataDir: &d data, capacity: *d')
  assert.deepEqual(problems(content), ['gateway.yaml:1:49 gateway.capacity: expected an integer from 1 to 16, got "data"'])
})

test('bounds of IKE are checked', () => {
  const fields = problems(`${shortest}ike: { fragmentSize: 500, halfOpen: 0, keyExchangeMs: 5, exchangesPerSecond: fast, cookieFrom: 0 }\n`)
  assert.deepEqual(
    fields.map((line) => line.split(' ')[1]),
    ['ike.fragmentSize:', 'ike.halfOpen:', 'ike.keyExchangeMs:', 'ike.exchangesPerSecond:'],
  )
})
