/** A gateway's two cores, connected, without a network or a log of its own: what it proposes is committed when the bench says so. */

import { seededIkeCrypto } from '../../chaos/sim/crypto.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { Control } from '../../src/gateway/control.ts'
import type { PacketEffects } from '../../src/gateway/packets.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { Command } from '../../src/session/commands.ts'
import { encodeCommand } from '../../src/session/commands.ts'
import { ordinaryPacketOptions } from '../../test/support/packet-options.ts'
import { wallMs } from './crowd.ts'

export const clusterAddress = Uint8Array.of(198, 51, 100, 1)

export interface GatewayCoresOptions {
  readonly self: string
  /** It opens what this one sealed. */
  readonly sealer: Sealer
  /** Where its packets go; nowhere unless told. */
  readonly sendOuter?: PacketEffects['sendOuter']
  readonly deliverInner?: PacketEffects['deliverInner']
}

export class GatewayCores {
  readonly control: Control
  readonly packets: PacketCore
  /** Commands that were committed. */
  entries = 0
  #now = { monotonicMs: 1000, wallMs }
  readonly #own: { readonly serial: number; readonly octets: Bytes }[] = []

  constructor({ self, sealer, sendOuter, deliverInner }: GatewayCoresOptions) {
    const random = new SeededRandom(1)
    this.packets = new PacketCore({
      self,
      crypto: createEspCrypto(random),
      ...ordinaryPacketOptions,
      reply: { way: 'direct', endpoints: [] },
      effects: {
        sendOuter: sendOuter ?? (() => undefined),
        deliverInner: deliverInner ?? (() => undefined),
        sendMesh: () => undefined,
        toControl: (message) => this.control.packets(message, this.#now),
      },
    })
    this.control = new Control({
      self,
      gateways: ['sg1', 'sg2'],
      capacity: 1,
      addresses: [clusterAddress],
      timing: { heartbeatMs: 50, gatewayDownMs: 300, servingLeaseMs: 2000 },
      crypto: seededIkeCrypto(random),
      random,
      sealer,
      steeringKeys: () => [new Uint8Array(32).fill(1)],
      effects: {
        append: (serial, octets) => this.#own.push({ serial, octets }),
        toPackets: (message) => this.packets.control(message, this.#now.monotonicMs),
        hold: () => undefined,
        event: () => undefined,
        audit: () => undefined,
        diverged: () => undefined,
        outdated: () => undefined,
      },
    })
    this.control.start({ wallMs })
  }

  get nowMs(): number {
    return this.#now.monotonicMs
  }

  /** So much time passes at once, and then `ticks` ticks, everything that is proposed committed. */
  pass(ms: number, ticks: number): void {
    const { monotonicMs } = this.#now
    for (let i = 1; i <= ticks; i++) this.tick(monotonicMs + ms + 10 * i)
  }

  /** One tick of both cores, and what was proposed is committed. */
  tick(monotonicMs: number): void {
    this.#now = { monotonicMs, wallMs }
    this.packets.tick(monotonicMs)
    this.control.tick(this.#now)
    this.commitOwn()
  }

  /** Commits what the gateway itself proposed. */
  commitOwn(): void {
    for (const { serial, octets } of this.#own.splice(0)) this.#apply(octets, serial)
  }

  apply(command: Command): void {
    // A copy, as from a socket: nothing of it may stay.
    this.#apply(concat(encodeCommand(command)), null)
  }

  #apply(octets: Bytes, own: number | null): void {
    this.entries += 1
    this.control.committed(this.entries, octets, own, this.#now)
    this.control.caughtUp(this.#now)
  }
}
