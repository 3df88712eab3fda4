/** The sample files of the manual, word for word, pass `evpc check` and load as what they say. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadGatewayConfig } from '../../src/config/gateway-config.ts'
import { loadVpn } from '../../src/config/vpn-config.ts'
import { evpc, temporaryFolder } from './evpc.ts'

const gatewayYaml = `gateway: { id: sg1, dataDir: /var/lib/evpc, capacity: 1 }     # capacity: 1–16, its share relative to the others'
cluster:
  name: paris
  listen: 10.0.0.11:7400                        # Raft, mutual TLS
  members: { sg1: 10.0.0.11:7400, sg2: 10.0.0.12:7400, sg3: 10.0.0.13:7400 }   # first boot only; later the log knows
  tls: { ca: ca.pem, cert: sg1.pem, key: sg1.key }
  sealingKeyFile: sealing.key                   # or EVPC_SEALING_KEY, 64 hex digits
address:                                        # what clients use
  ips: [10.99.0.100]
  ports: [500, 4500]
  anchor: vip                                   # vip | anycast | reuseport
  interface: eth0
  reply: direct                                 # direct | via-holder
inside: { ips: [10.50.0.1], interface: eth1 }   # the trusted side's next hop towards the pools, held like \`address\`; omit where routing does it
mesh: { listen: 10.0.0.11:7401 }
dataplane: { type: tun, name: evpc0, mtu: 1400 }   # tun | loopback
admin: { listen: 127.0.0.1:7480, tokenFile: admin.token }
timing: { heartbeatMs: 50, electionTimeoutMs: 300, gatewayDownMs: 300, servingLeaseMs: 2000 }   # election timeouts are drawn from [T, 1.5 T)
replay: { horizonMs: 50 }
`

const vpnYaml = `connections:
  rw:
    proposals: [aes256gcm16-prfsha256-x25519, aes128-sha256-modp2048]
    pools: [users]
    local:  { auth: psk, id: vpn.example.org }
    remote: { auth: psk, id: '%any' }
    children:
      net: { local_ts: [10.50.0.0/24], esp_proposals: [aes128gcm16, aes128ctr-sha256, aes128-sha256] }
pools:   { users: { addrs: [10.77.0.0/16], dns: [10.50.0.53] } }
secrets: { ike-all: { secret: hello }, eap-alice: { id: alice, secret: s3cret } }
`

test('the sample files check out', async (t) => {
  const folder = temporaryFolder(t)
  const files = [join(folder, 'gateway.yaml'), join(folder, 'vpn.yaml')] as const
  writeFileSync(files[0], gatewayYaml)
  writeFileSync(files[1], vpnYaml)
  const { code, stdout, stderr } = await evpc(['check', ...files])
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${files[0]}: ok\n${files[1]}: ok\n`, stderr: '' })
})

test('the sample files load as what they say', (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'gateway.yaml'), gatewayYaml)
  writeFileSync(join(folder, 'vpn.yaml'), vpnYaml)
  const gateway = loadGatewayConfig(join(folder, 'gateway.yaml'))
  const vpn = loadVpn(join(folder, 'vpn.yaml'), (_field, secret) => secret)
  assert.ok(gateway.ok)
  assert.ok(vpn.ok)
  assert.deepEqual([...gateway.value.mesh.peers.keys()], ['sg2', 'sg3'])
  assert.deepEqual(
    vpn.value.connections[0]?.children[0]?.espProposals.map(({ encryption, integ }) => [encryption[0]?.encr, integ]),
    [
      [20, []],
      [13, [12]],
      [12, [12]],
    ],
  )
  assert.deepEqual(
    vpn.value.secrets.map(({ name, ids }) => [name, ids]),
    [
      ['ike-all', []],
      ['eap-alice', ['alice']],
    ],
  )
})
