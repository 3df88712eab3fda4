/** How many grants the traffic of a session needs, in simulated time. Every proposal is committed and applied within 5 ms. */

import { equal } from 'node:assert/strict'
import { MAX_SEQUENCE_NUMBER, limitAt } from '../../src/context/grants.ts'
import { grantsOf, sessionView } from '../../src/session/view.ts'
import { PacketCluster } from './packet-cluster.ts'

export interface Figures {
  readonly packets: number
  readonly records: number
  readonly renewals: number
  readonly ticks: number
  readonly stalls: number
  readonly highestLead: number
}

/** One session, and what it costs to carry its packets. */
export class Traffic {
  readonly cluster = new PacketCluster('sg1', 'sg2')
  readonly client
  readonly session

  constructor() {
    const { client, session } = this.cluster.establish('sg1')
    this.client = client
    this.session = session
  }

  get horizon(): number {
    return limitAt(grantsOf(this.cluster.member('sg1').state, this.session)[0]!.horizon, this.cluster.tickOf('sg1'), MAX_SEQUENCE_NUMBER)
  }

  /** Packets a second that the agreed state has of the session. */
  get load(): number {
    return sessionView(this.cluster.member('sg1').state, this.session)!.packetsPerSecond
  }

  /** `packetsAt`: how many packets the client sends in a millisecond, counted from 0. */
  run(ms: number, packetsAt: (ms: number) => number): Figures {
    const { cluster, client } = this
    const before = cluster.advances.length
    const first = client.next
    const startMs = cluster.nowMs
    let highestLead = 0
    let stalls = 0
    cluster.run(ms, (nowMs) => {
      for (let i = packetsAt(nowMs - startMs - 1); i > 0; i--) {
        if (client.next > this.horizon) stalls += 1
        cluster.up(client, 'sg1')
      }
      highestLead = Math.max(highestLead, this.horizon - client.next + 1)
    })
    const advances = cluster.advances.slice(before)
    return {
      packets: client.next - first,
      records: advances.reduce((count, { grants }) => count + grants.length, 0),
      renewals: advances.reduce((count, advance) => count + advance.renewals.length, 0),
      ticks: advances.filter(({ tick }) => tick > 0).length,
      stalls,
      highestLead,
    }
  }

  noneLost(): void {
    equal(this.cluster.in.length, this.client.next - 1)
  }
}

/** A packet every so many ms, as `Traffic.run` asks for them. */
export const every = (periodMs: number) => (ms: number) => (ms % periodMs === 0 ? 1 : 0)
export const silence = (): number => 0
