/** What tests of owners that die in the middle of an exchange do with a control cluster and its client. */

import assert from 'node:assert/strict'
import type { Appended, ControlCluster, TestClient } from './control-cluster.ts'

/** strongSwan sends a request again after 4 s, then after 7.2 s. */
const RETRANSMISSIONS_MS = 12_000

/** The gateway's process ends, and everybody else learns of it. */
export function kill(all: ControlCluster, id: string): void {
  all.inject({ type: 'gateway-down', incarnation: all.get(id).incarnation })
  all.stop(id)
  all.applyAll()
}

/** The exchange that waits to be committed. */
export function onlyProposal(all: ControlCluster): Appended {
  const proposals = all.appended.filter(({ command }) => command.type === 'create-session' || command.type === 'commit-exchange')
  assert.equal(proposals.length, 1)
  return proposals[0]!
}

/** Commits the exchange that waits; who proposed it applies it, and its answer is lost unless it `isHeard`. Returns who that was. */
export function answer(all: ControlCluster, client: TestClient, isHeard: boolean): string {
  const proposal = onlyProposal(all)
  client.isListening = isHeard
  all.commit(proposal)
  all.apply(proposal.gateway)
  client.isListening = true
  return proposal.gateway
}

/** The client sends its request again until it is answered; everything is committed at once. */
export function retransmit(all: ControlCluster): void {
  for (let passed = 0; passed < RETRANSMISSIONS_MS; passed += 500) {
    all.pass(500)
    all.settle()
  }
}
