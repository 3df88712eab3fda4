/**
 * What the worker wants of the packet core (src/gateway/packets.ts): inputs with the time, effects as calls.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { FromPackets, ToPackets } from '../gateway/packet-messages.ts'
import type { Bytes } from '../kit/bytes.ts'

/** Octets of packets are the receiver's only until it returns. */
export interface HostedEffects {
  sendOuter(local: Endpoint, remote: Endpoint, datagram: Bytes): void
  deliverInner(packet: Bytes): void
  sendMesh(gateway: string, message: Bytes): void
  toControl(message: FromPackets): void
}

/** `nowMs` is of `monotonicMs`. Octets of packets are the core's only until it returns; those of a mesh message are its to keep. */
export interface HostedCore {
  outer(datagram: Bytes, local: Endpoint, remote: Endpoint, nowMs: number): void
  inner(packet: Bytes, nowMs: number): void
  mesh(gateway: string, message: Bytes, nowMs: number): void
  control(message: ToPackets, nowMs: number): void
  tick(nowMs: number): void
  isServing(nowMs: number): boolean
}

/** The worker imports a module with this export: functions (cryptography, randomness) cannot be sent to a thread, so it makes them there. */
export interface PacketCoreModule {
  /** `options` is `PacketPlaneConfig.core.options`, cloned; `path`: which one this thread takes. */
  createPacketCore(options: unknown, path: 'fast' | 'plain', effects: HostedEffects): HostedCore
}
