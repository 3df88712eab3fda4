/** One gateway's data plane as a process: what it is told by its parent goes to the data plane, and it says when it is ready. */

import type { Endpoint } from '../../src/context/session-context.ts'
import type { PacketPlaneConfig } from '../../src/dataplane/messages.ts'
import { PacketPlane } from '../../src/dataplane/packet-plane.ts'
import type { FromPackets, PacketReport, ToPackets } from '../../src/gateway/packet-messages.ts'
import { unlimited } from './tunnel.ts'

export type ToGateway =
  | { readonly type: 'start'; readonly config: PacketPlaneConfig; readonly pools: readonly string[] }
  | { readonly type: 'to-packets'; readonly message: ToPackets }
  | { readonly type: 'stop' }

export type FromGateway =
  | { readonly type: 'ready'; readonly inside: Endpoint | null; readonly path: string }
  | { readonly type: 'report'; readonly report: PacketReport }

let plane: PacketPlane | null = null

// The driver is gone: nobody is left to serve.
process.on('disconnect', () => process.exit())
process.on('message', (message: ToGateway) => {
  if (message.type === 'start') void start(message)
  else if (message.type === 'to-packets') plane!.send(message.message)
  else void stop()
})

async function start({ config, pools }: Extract<ToGateway, { type: 'start' }>): Promise<void> {
  plane = await PacketPlane.start(config, {
    onMessage: (message) => {
      if (message.type === 'report') say({ type: 'report', report: message.report })
      if (message.type === 'advance') grant(message)
    },
    onFatal: (error) => {
      throw error
    },
  })
  plane.send({ type: 'incarnation', incarnation: 1 })
  plane.send({ type: 'lease', untilMs: Number.MAX_SAFE_INTEGER })
  await plane.setPools(pools)
  await plane.openSockets()
  say({ type: 'ready', inside: plane.insideEndpoint, path: plane.path.type })
}

/** What the log would answer, at once, and without limits. */
function grant({ tick, grants }: Extract<FromPackets, { type: 'advance' }>): void {
  if (tick > 0) plane!.send({ type: 'ticked', tick })
  const applied = grants.map(({ session, epoch, serial, children }) => ({
    session,
    epoch,
    serial,
    children: children.map(({ spiIn }) => ({ spiIn, ceiling: unlimited, horizon: unlimited })),
  }))
  if (applied.length > 0) plane!.send({ type: 'granted', grants: applied })
}

async function stop(): Promise<void> {
  await plane?.close()
  process.disconnect()
}

function say(message: FromGateway): void {
  if (process.connected) process.send!(message)
}
