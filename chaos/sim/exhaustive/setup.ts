/**
 * What a walk begins with: a session that a client has established with a gateway which is gone since, and which the gateways of the walk have
 * inherited; and all datagrams that the client will ever send. Made once, by the real control core and the built-in client.
 */

import type { Endpoint } from '../../../src/context/session-context.ts'
import { encapsulate } from '../../../src/esp/packet.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'
import { apply } from '../../../src/session/apply.ts'
import type { CheckpointRecord } from '../../../src/session/checkpoint.ts'
import { Checkpointer } from '../../../src/session/checkpoint.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import { createState } from '../../../src/session/state.ts'
import { sessionView } from '../../../src/session/view.ts'
import { ControlCluster, gatewayEndpoints } from '../../../test/support/control-cluster.ts'
import { checkpoint } from '../../../test/support/checkpoint-records.ts'
import { plainEspCrypto } from './crypto.ts'

/** The gateway that the session was established with. */
const FOUNDER = 'founder'
/** The one under which it is up until the walk begins. */
export const FOUNDER_INCARNATION = 1
const server = Uint8Array.of(10, 50, 0, 9)
const MARKER_OCTETS = 4

export interface Setup {
  /** The agreed state, and the commands that led to it. */
  readonly records: readonly CheckpointRecord[]
  readonly commands: readonly Bytes[]
  readonly session: number
  /** Of its Child SA, the gateways' and the client's. */
  readonly spiIn: number
  readonly spiOut: number
  readonly local: Endpoint
  readonly remote: Endpoint
  /** The client's virtual address. */
  readonly address: Bytes
  /** The client's ESP datagram with this number, which its inner packet says, too. */
  readonly inbound: (number: number) => Bytes
  /** A packet of the trusted side for the client. */
  readonly outbound: Bytes
  /** An IKE request of the client's, of an established session, and where it comes from. */
  readonly request: Bytes
  readonly requestFrom: Endpoint
}

/** What the request asks for. */
export type RequestKind = 'liveness' | 'rekey' | 'move'

/** Where a client goes that moves (MOBIKE); only its request comes from there. */
const elsewhere = Uint8Array.of(203, 0, 113, 9)

export function setUp(kind: RequestKind): Setup {
  const cluster = new ControlCluster(FOUNDER)
  cluster.configure()
  const client = cluster.client(() => FOUNDER, { dpdMs: 1000, mobike: kind === 'move' })
  client.connect()
  const { session } = client
  const child = client.client.children.at(-1)!
  client.isLive = false
  client.sent.length = 0
  const remote = client.endpoint.natT
  if (kind === 'move') client.endpoint = { ike: { address: elsewhere, port: 500 }, natT: { address: elsewhere, port: 4500 } }
  const requestFrom = client.endpoint.natT
  if (kind === 'move') client.client.move(requestFrom, cluster.nowMs)
  else if (kind === 'rekey') client.client.rekey('child-rekey', cluster.nowMs)
  else client.client.tick(cluster.nowMs + 5000)
  const cipher = plainEspCrypto.cipher(child.suite, child.keyOut)!
  const [address] = sessionView(cluster.state(), session)!.context.virtualIps
  const inner = (payload: Bytes): Bytes =>
    buildUdpPacket({ source: address!, destination: server, sourcePort: 1, destinationPort: 2, payload })
  const commands = cluster.log.map(({ octets }) => octets)
  const state = createState()
  for (const octets of commands) apply(state, decodeCommand(octets))
  return {
    records: checkpoint(new Checkpointer(state)),
    commands,
    session,
    spiIn: child.spiOut,
    spiOut: child.spiIn,
    local: gatewayEndpoints.natT,
    remote,
    address: address!,
    inbound: (number) => encapsulate(cipher, child.spiOut, number, inner(numberAsOctets(number))),
    outbound: buildUdpPacket({ source: server, destination: address!, sourcePort: 2, destinationPort: 1, payload: new Uint8Array(4) }),
    request: client.sent[0]!.datagram.subarray(MARKER_OCTETS),
    requestFrom,
  }
}

function numberAsOctets(number: number): Bytes {
  const payload = new Uint8Array(4)
  dataView(payload).setUint32(0, number)
  return payload
}
