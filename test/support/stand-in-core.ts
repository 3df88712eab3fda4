/**
 * A packet core without cryptography, for tests of the worker that hosts it. An outer datagram's first octet says what to do with the
 * rest: `d` deliver it inside, `m` send it to the mesh peer `sg2`, `c` pass it to the control core, `x` fail. Inner packets go to the
 * client that spoke last.
 */

import { toUtf8 } from '../../src/kit/bytes.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import type { HostedCore, HostedEffects } from '../../src/dataplane/packet-core-host.ts'

export function createPacketCore(options: unknown, _path: 'fast' | 'plain', effects: HostedEffects): HostedCore {
  const { prefix } = options as { prefix: string }
  let client: { local: Endpoint; remote: Endpoint } | null = null
  return {
    outer: (datagram, local, remote) => {
      client = { local, remote }
      const rest = datagram.subarray(1)
      const type = String.fromCharCode(datagram[0]!)
      if (type === 'd') effects.deliverInner(rest)
      if (type === 'm') effects.sendMesh('sg2', rest)
      if (type === 'c') effects.toControl({ type: 'ike', datagram: rest.slice(), local, remote })
      if (type === 'x') throw new Error('the stand-in was told to fail')
    },
    inner: (packet) => {
      if (client !== null) effects.sendOuter(client.local, client.remote, packet)
    },
    mesh: (gateway, message) => effects.toControl({ type: 'mesh', gateway, payload: Buffer.concat([toUtf8(prefix), message]) }),
    control: (message) => {
      if (message.type === 'send-outer')
        for (const datagram of message.datagrams) effects.sendOuter(message.local, message.remote, datagram)
      // `ticked` stands for "report now".
      if (message.type === 'ticked') effects.toControl({ type: 'report', report: emptyReport })
    },
    tick: () => {},
    isServing: () => true,
  }
}

const emptyReport = {
  packetsPerSecond: 0,
  packetsIn: 0,
  packetsOut: 0,
  forwarded: 0,
  relayed: 0,
  horizonStalls: 0,
  ceilingStalls: 0,
  drops: { own: 1 },
}
