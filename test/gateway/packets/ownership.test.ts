/**
 * S1 and S2 under an adversary (protocol.md §1): three gateways with real packet cores and the real replicated state; which proposal is
 * committed, when, or never, who has applied how much, who is declared down, restarts, hands over or takes back: all from a seed.
 * The client's packets arrive anywhere, in any order, more than once. No lease helps: it never runs out.
 *
 * Once with numbers of 32 bits and once with extended ones, which are then just below 2^32 both ways: their lower halves, which are looked at here, are
 * as unique as they are, for nobody goes that far.
 */

import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { OUTBOUND_LEAD } from '../../../src/context/grants.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { ownership } from '../../../src/session/view.ts'
import type { Client } from '../../support/packet-cluster.ts'
import { Member, PacketCluster } from '../../support/packet-cluster.ts'

const ids = ['sg1', 'sg2', 'sg3']
const SPAN = 2 ** 32
const BEFORE = 100

class Adversary {
  readonly cluster = new PacketCluster(...ids)
  readonly #random: SeededRandom
  readonly #sent = new Set<string>()
  readonly #accepted = new Map<string, string>()
  readonly counts = { sent: 0, accepted: 0, takeovers: 0, transfers: 0, reclaims: 0 }
  readonly #client
  readonly #session

  constructor(seed: number, esn: 0 | 1) {
    this.#random = new SeededRandom(seed)
    const { client, session } = this.cluster.establish('sg1', esn)
    if (esn === 1) this.#leap(client, session)
    this.#client = client
    this.#session = session
    this.cluster.onSent = ({ gateway, spi, sequence }) => {
      const key = `${spi}/${sequence}`
      ok(!this.#sent.has(key), `S1: seed ${seed}: ${gateway} sent number ${sequence} again`)
      this.#sent.add(key)
      this.counts.sent += 1
    }
    this.cluster.onDelivered = (gateway, source, sequence) => {
      const key = `${source.join('.')}/${sequence}`
      const first = this.#accepted.get(key)
      ok(first === undefined, `S2: seed ${seed}: ${gateway} accepted packet ${sequence}, as ${first} had`)
      this.#accepted.set(key, gateway)
      this.counts.accepted += 1
    }
  }

  /** To where a takeover or two bring the gateways' numbers over 2^32, and the client's cross it soon. */
  #leap(client: Client, session: number): void {
    const { incarnation, state } = this.cluster.member('sg1')
    const { epoch, version } = ownership(state, session)!
    client.next = SPAN - BEFORE
    const child = { spiIn: client.spi, next: SPAN - 2 * OUTBOUND_LEAD, window: { highest: SPAN - BEFORE - 1, seen: null } }
    const item = { session, epoch, version, children: [child] }
    this.cluster.commit({ type: 'transfer', incarnation, to: incarnation, sessions: [item] })
    this.cluster.settle()
  }

  get next(): number {
    return this.#client.next
  }

  #below(bound: number): number {
    return this.#random.uint32() % bound
  }

  #anyone(): Member {
    return this.cluster.member(ids[this.#below(ids.length)]!)
  }

  step(): void {
    const choice = this.#below(1000)
    if (choice < 260) this.#burst(() => this.cluster.up(this.#client, this.#anyone().id))
    else if (choice < 340) this.#burst(() => this.cluster.up(this.#client, this.#anyone().id, this.#recent()))
    else if (choice < 345) this.#client.next += this.#below(30)
    else if (choice < 450) this.#burst(() => this.cluster.down(this.#client, this.#anyone().id))
    else if (choice < 600) this.#pass(1 + this.#below(8))
    else if (choice < 770) this.#commitOne()
    else if (choice < 970) this.#applySome(this.#anyone())
    else if (choice < 974) this.#silence(300)
    else if (choice < 979) this.#accuse()
    else if (choice < 981) this.#restart()
    else if (choice < 993) this.#handOver()
    else this.#takeBack()
    for (const member of this.cluster.members.values()) this.#proposeTransfers(member)
  }

  #burst(act: () => void): void {
    for (let i = this.#below(4); i >= 0; i--) act()
  }

  /** One of the last numbers that the client has used. */
  #recent(): number {
    return Math.max(1, this.#client.next - this.#below(40))
  }

  #pass(ms: number): void {
    this.cluster.nowMs += ms
    for (const member of this.cluster.members.values()) {
      this.cluster.tick(member)
      member.pump()
    }
    while (this.cluster.mesh.length > 0) {
      const index = this.#below(this.cluster.mesh.length)
      if (this.#below(10) === 0) this.cluster.mesh.splice(index, 1)
      else this.cluster.deliverMesh(index)
    }
    for (const member of this.cluster.members.values()) member.pump()
  }

  /** No packets for a while: horizons shrink. */
  #silence(ms: number): void {
    for (let i = 0; i < ms / 5; i++) this.#pass(5)
  }

  /** Any proposal, old ones too; some are lost, and GatewayUps are repeated for ever. */
  #commitOne(): void {
    const { bag } = this.cluster
    if (bag.length === 0) return
    const [command] = bag.splice(this.#below(Math.min(bag.length, 40)), 1)
    const mayBeLost = command!.type !== 'gateway-up'
    if (mayBeLost && this.#below(8) === 0) return
    this.cluster.commit(command!)
    if (bag.length > 200) bag.splice(0, 100)
  }

  #applySome(member: Member): void {
    for (let i = this.#below(6); i >= 0; i--) member.applyNext()
    if (this.#below(4) > 0) member.pump()
  }

  #accuse(): void {
    const { incarnation } = this.#anyone()
    if (incarnation === 0) return
    this.counts.takeovers += 1
    this.cluster.propose({ type: 'gateway-down', incarnation })
  }

  #restart(): void {
    const old = this.#anyone()
    old.alive = false
    const fresh = new Member(this.cluster, old.id)
    this.cluster.members.set(old.id, fresh)
    while (fresh.applied < old.applied) fresh.applyNext()
    this.counts.takeovers += 1
  }

  #handOver(): void {
    for (const member of this.cluster.members.values()) {
      const now = ownership(member.state, this.#session)!
      if (now.owner !== member.incarnation || member.incarnation === 0 || member.leaving.size > 0) continue
      if (!member.tenures.isInstalled(this.#session)) continue
      member.freeze(this.#session)
    }
  }

  #proposeTransfers(member: Member): void {
    const frozen = member.frozen.shift()
    const target = this.#anyone()
    if (frozen === undefined || target.incarnation === 0 || member.incarnation === 0) return
    const { version } = ownership(member.state, this.#session)!
    const { session, epoch, children } = frozen
    this.counts.transfers += 1
    this.cluster.propose({
      type: 'transfer',
      incarnation: member.incarnation,
      to: target.incarnation,
      sessions: [{ session, epoch, version, children }],
    })
  }

  #takeBack(): void {
    for (const member of this.cluster.members.values()) {
      if (!member.leaving.has(this.#session) || member.incarnation === 0) continue
      const { epoch } = ownership(member.state, this.#session)!
      this.counts.reclaims += 1
      this.cluster.propose({ type: 'reclaim', incarnation: member.incarnation, session: this.#session, epoch })
      member.leaving.delete(this.#session)
    }
  }
}

const totals = { sent: 0, accepted: 0, takeovers: 0, transfers: 0, reclaims: 0 }
const SEEDS = Number(process.env['SEEDS'] ?? 40)

for (const [numbers, esn] of [
  ['32 bits', 0],
  ['64 bits', 1],
] as const) {
  test(`S1 and S2: no number of ${numbers} is sent twice and no packet accepted twice, whatever is delayed, lost, repeated, taken over or handed over`, () => {
    let crossed = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const adversary = new Adversary(seed, esn)
      for (let i = 0; i < 2000; i++) adversary.step()
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += adversary.counts[name]
      if (adversary.next > SPAN) crossed += 1
    }
    equal(crossed, esn * SEEDS)
  })
}

test('the adversary does get packets through, takes over and hands over', (t) => {
  t.diagnostic(JSON.stringify(totals))
  ok(totals.sent > 100 * SEEDS)
  ok(totals.accepted > 100 * SEEDS)
  ok(totals.takeovers > 20 * SEEDS)
  ok(totals.transfers > 6 * SEEDS)
  ok(totals.reclaims > 2 * SEEDS)
})
