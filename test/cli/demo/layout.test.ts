import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { FreePorts } from '../../../src/cli/demo/free-ports.ts'
import { layOut } from '../../../src/cli/demo/layout.ts'
import { loadGatewayConfig } from '../../../src/config/gateway-config.ts'
import { loadVpn } from '../../../src/config/vpn-config.ts'
import { temporaryFolder } from '../evpc.ts'

test("the demo's files are what gateways and vpn.yaml expect, and the gateways share the clients' ports", async (t) => {
  const ports = await FreePorts.open()
  t.after(() => ports.close())
  const layout = await layOut(temporaryFolder(t), 3, ports)
  const configs = layout.gateways.map(({ configFile }) => {
    const config = loadGatewayConfig(configFile)
    assert.ok(config.ok, JSON.stringify(config))
    return config.value
  })
  assert.deepEqual(
    configs.map(({ gateway }) => gateway.id),
    ['sg1', 'sg2', 'sg3'],
  )
  for (const { address, dataplane, mesh } of configs) {
    assert.equal(address.anchor, 'reuseport')
    assert.deepEqual(address.ports, [layout.ike.port, layout.natT.port])
    assert.equal(dataplane.type, 'loopback')
    assert.equal(mesh.peers.size, 2)
  }
  const own = configs.flatMap(({ cluster, mesh, admin }) => [cluster.listen.port, mesh.listen.port, admin.listen.port])
  assert.equal(new Set(own).size, 9)
  const vpn = loadVpn(layout.vpnFile, (_field, secret) => secret)
  assert.ok(vpn.ok, JSON.stringify(vpn))
})

test('a busy port is not taken, the next free one is, and it is told', async (t) => {
  const ports = await FreePorts.open()
  t.after(() => ports.close())
  const [tcp, udp] = [await ports.take('tcp', 7400), await ports.take('udp', 7400)]
  const server = net.createServer().listen(tcp + 10, '127.0.0.1')
  const socket = dgram.createSocket('udp4')
  socket.bind(udp + 20, '127.0.0.1')
  t.after(() => {
    server.close()
    socket.close()
  })
  await Promise.all([once(server, 'listening'), once(socket, 'listening')])
  const wanted = (port: number): number => 7400 + ((port - 7400) % 200)
  assert.ok((await ports.take('tcp', wanted(tcp + 10))) > tcp + 10)
  assert.ok((await ports.take('udp', wanted(udp + 20))) > udp + 20)
  assert.ok(ports.busy.has(tcp + 10))
  assert.ok(ports.busy.has(udp + 20))
})

test('no port is given twice, also not to demos that start together', async (t) => {
  const all = [await FreePorts.open(), await FreePorts.open()]
  t.after(() => all.forEach((ports) => ports.close()))
  const takeThree = async (ports: FreePorts): Promise<number[]> => [
    await ports.take('udp', 7400),
    await ports.take('udp', 7400),
    await ports.take('udp', 7401),
  ]
  const taken = (await Promise.all(all.map(takeThree))).flat()
  assert.equal(new Set(taken).size, taken.length)
})
