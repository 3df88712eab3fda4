/**
 * Another sealing key is agreed on in the middle of exchanges of every kind: between any two of their steps, for each moment of each, and at every third
 * the owner dies a few steps later. The exchange ends as it does undisturbed, and nothing is left under the former key.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sealingKeyId } from '../../../src/crypto/sealer.ts'
import { formatSealingKeyId } from '../../../src/kit/sealer.ts'
import { randomBelow, SeededRandom } from '../../../src/kit/random.ts'
import { sessionsToReseal } from '../../../src/session/sealing.ts'
import { digest } from '../../../src/session/view.ts'
import { sealingKey } from '../../support/control-cluster.ts'
import { run } from './run.ts'
import type { Scenario } from './scenario.ts'
import { clientScenarios, loginScenarios, ownScenarios } from './scenarios.ts'
import type { Fault } from './stage.ts'

/** Steps after the change within which the owner dies. */
const SOON = 8
const former = formatSealingKeyId(sealingKeyId(sealingKey))

function check(scenario: Scenario, faults: readonly Fault[]): void {
  const { stage } = run(scenario, { arrival: 'other', owner: null, faults })
  for (let round = 0; round < 20 && sessionsToReseal(stage.healthy[0]!.control.state) > 0; round++) stage.pass(100)
  for (const { id, control } of stage.healthy) {
    assert.equal(sessionsToReseal(control.state), 0, `something is left at ${id}`)
    // Nobody leads here, who would see to the configuration.
    const lines = digest(control.state).split('\n')
    assert.deepEqual(
      lines.filter((line) => line.includes(former) && !line.startsWith('vpn ')),
      [],
      'not an octet',
    )
  }
}

for (const scenario of [...clientScenarios, ...ownScenarios, ...loginScenarios]) {
  test(`the sealing key changes at any moment of: ${scenario.name}`, (t) => {
    const { points } = run(scenario, { arrival: 'other', owner: null, faults: [] }).stage
    const random = new SeededRandom(1)
    // Which of them is a third's turn differs from one exchange to the next.
    const turn = randomBelow(random, 3)
    for (let at = 0; at < points.length; at++) {
      const dies: Fault = { at: at + 1 + randomBelow(random, SOON), kind: 'dies', victim: null }
      const faults: Fault[] = [{ at, kind: 'key-change', victim: null }, ...(at % 3 === turn ? [dies] : [])]
      try {
        check(scenario, faults)
      } catch (error) {
        t.diagnostic(`faults ${JSON.stringify(faults)}`)
        throw error
      }
    }
  })
}
