import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { parseAddress } from '../../src/context/address.ts'
import { toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { namespacesUnavailable, withNamespaces } from '../support/namespaces.ts'

const options = { timeout: 60_000, skip: await namespacesUnavailable() }

const packet = buildUdpPacket({
  source: parseAddress('10.77.0.9')!,
  destination: parseAddress('10.50.0.1')!,
  sourcePort: 7000,
  destinationPort: 7777,
  payload: toUtf8('hello'),
})

/** Answers one datagram inside with its text in capitals. */
const inside =
  "const s=require('dgram').createSocket('udp4');s.on('message',(m,r)=>s.send(String(m).toUpperCase(),r.port,r.address,()=>s.close()));s.bind(7777,'10.50.0.1')"
/**
 * Sends the packet (argument, as hexadecimal) "encapsulated" to the cluster until an answer comes back, and prints that. The host inside
 * may not listen yet: then the kernel answers with ICMP, which is no UDP packet.
 */
const client =
  "const s=require('dgram').createSocket('udp4');const t=setInterval(()=>s.send(Buffer.concat([Buffer.from('d'),Buffer.from(process.argv[1],'hex')]),4500,'10.40.0.100'),50);s.on('message',(m)=>{if(m[9]!==17)return;console.log(m.toString('hex'));clearInterval(t);s.close()})"

for (const path of ['fast', 'plain'] as const) {
  test(`${path}: a client of the claimed address reaches a host behind the tunnel device, and its answer returns`, options, () =>
    withNamespaces(['gw', 'eu'], async (namespaces) => {
      await namespaces.run('gw', 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', '{eu}')
      for (const [name, address] of [
        ['gw', '10.40.0.11/24'],
        ['eu', '10.40.0.50/24'],
      ] as const) {
        await namespaces.run(name, 'ip', 'link', 'set', 'eth0', 'up')
        await namespaces.run(name, 'ip', 'addr', 'add', address, 'dev', 'eth0')
      }
      await namespaces.run('gw', 'ip', 'addr', 'add', '10.50.0.1/32', 'dev', 'lo')
      const child = namespaces.fork('gw', new URL('../support/plane-process.js', import.meta.url), path)
      assert.deepEqual(await once(child, 'message'), ['ready', undefined])
      const server = namespaces.run('gw', process.execPath, '-e', inside)
      const answer = (await namespaces.run('eu', process.execPath, '-e', client, toHex(packet))).trim()
      // From 10.50.0.1 to 10.77.0.9, with the payload in capitals.
      assert.match(answer, /0a3200010a4d0009/)
      assert.ok(answer.endsWith(toHex(toUtf8('HELLO'))), answer)
      await server

      const exit = once(child, 'exit')
      child.send('close')
      assert.deepEqual(await exit, [0, null])
      assert.doesNotMatch(await namespaces.run('gw', 'ip', 'addr'), /10\.40\.0\.100|evpctest0/)
    }),
  )
}
