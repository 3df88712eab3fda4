/** Clients and gateways that rekey all the time, without faults: what a rekeying itself costs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plan, Rekey } from '../../chaos/sim/plan.ts'
import { calmNetwork, noBalance, noGatewayAsks } from '../../chaos/sim/plan.ts'
import type { RunSummary } from '../../chaos/sim/world.ts'
import { World } from '../../chaos/sim/world.ts'

const calm: Plan = {
  seed: 7,
  gateways: 3,
  clients: 3,
  packetEveryMs: 10,
  client: calmNetwork,
  mesh: calmNetwork,
  raft: calmNetwork,
  diskMs: 0.5,
  clockRates: [1, 1, 1],
  compactionTailOctets: 100_000,
  healsAll: true,
  faults: [],
  checkpointEveryMs: 0,
  quietMs: 600_000,
  viaHolder: false,
  olderBuilds: 0,
  hasTwoSites: false,
  floods: [],
  crowd: 0,
  puts: [],
  rekeys: [],
  kinds: [],
  startsMs: [],
  moves: [],
  gatewayAsks: noGatewayAsks,
  gatewayChanges: [],
  ...noBalance,
  keyChanges: [],
  faultsUntilMs: 6000,
}

/** In turn for each client, every 60 ms. */
function rekeys(what: Rekey['what']): Rekey[] {
  return Array.from({ length: 75 }, (_, i) => ({ atMs: 1800 + 60 * i, which: i, what, withKe: i % 2 === 0 }))
}

for (const what of ['child-rekey', 'ike-rekey'] as const) {
  test(`no packet is lost when clients rekey again and again (${what})`, () => {
    const plan = { ...calm, rekeys: rekeys(what) }
    const summary = new World(plan).run()
    assert.equal(summary.rekeyed, plan.rekeys.length)
    assertNothingLost(plan, summary)
  })
}

for (const [name, gatewayAsks] of [
  ['Child SAs', { childS: 1, ikeS: 0, livenessS: 0 }],
  ['both', { childS: 2, ikeS: 1, livenessS: 1 }],
] as const) {
  test(`no packet is lost when gateways rekey ${name} again and again`, () => {
    const plan = { ...calm, gatewayAsks }
    const summary = new World(plan).run()
    assert.ok(summary.rekeyedByGateways >= 3 * plan.clients, `${summary.rekeyedByGateways} rekeyed`)
    assertNothingLost(plan, summary)
  })
}

function assertNothingLost(plan: Plan, { sentUp, accepted, sentDown, received }: RunSummary): void {
  // What is on its way when the run ends.
  const underway = 2 * plan.clients
  assert.ok(sentUp > 3000 && sentDown > 3000, `${sentUp} and ${sentDown} packets sent`)
  assert.ok(sentUp - accepted <= underway, `${accepted} of ${sentUp} packets arrived at the trusted host`)
  assert.ok(sentDown - received <= underway, `${received} of ${sentDown} packets arrived at the clients`)
}
