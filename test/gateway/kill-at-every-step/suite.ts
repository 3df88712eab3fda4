/**
 * An owner dies at every single moment of every exchange. A run without faults counts the effects; then there is a run for each of them and
 * each way of ending. Meanwhile the client does nothing but send its request again.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBelow, SeededRandom } from '../../../src/kit/random.ts'
import type { RunOptions } from './run.ts'
import { run } from './run.ts'
import type { Scenario } from './scenario.ts'
import type { Arrival, Fault, FaultKind } from './stage.ts'
import { faultKinds } from './stage.ts'
import type { Entry } from './table.ts'
import { legend, table } from './table.ts'

const arrivals: readonly Arrival[] = ['other', 'owner']

/** The ways of ending that are tried at this moment, depending on where the client's datagrams arrive. */
function kindsAt({ takesTurns = false }: Scenario, arrival: Arrival, at: number): readonly FaultKind[] {
  const [dies, ...others] = faultKinds
  if (arrival === 'owner') return takesTurns && at % 2 === 1 ? [] : [dies]
  return takesTurns ? [dies, others[at % others.length]!] : faultKinds
}

const PAIRS = 6
const SEED = 1

const entries: Entry[] = []
let runs = 0

/** The owner in a run without faults: who it is doesn't depend on where datagrams arrive. */
function ownerOf(scenario: Scenario): string {
  return run(scenario, { arrival: 'other', owner: null, faults: [] }).stage.view!.gateway
}

/** Null: it held. */
function attempt(scenario: Scenario, options: RunOptions, note: (outcome: Entry['outcome']) => void = () => undefined): string | null {
  runs += 1
  try {
    note(run(scenario, options).outcome)
    return null
  } catch (error) {
    note(null)
    const faults = options.faults.map(({ at, kind, victim }) => `${victim ?? 'the owner'} ${kind} at ${at}`).join(', ')
    return `${scenario.name}, arriving at ${options.arrival}, ${faults}: ${error instanceof Error ? error.stack : String(error)}`
  }
}

/** The tests of these scenarios. The table of what came of it is a diagnostic of the last one. */
export function testScenarios(scenarios: readonly Scenario[]): void {
  for (const scenario of scenarios) {
    test(`${scenario.name}: the owner dies at any moment`, () => {
      const owner = ownerOf(scenario)
      const problems: (string | null)[] = []
      for (const arrival of arrivals) {
        const { points } = run(scenario, { arrival, owner, faults: [] }).stage
        for (const [at, point] of points.entries()) {
          for (const kind of kindsAt(scenario, arrival, at)) {
            const fault: Fault = { at, kind, victim: owner }
            problems.push(
              attempt(scenario, { arrival, owner, faults: [fault] }, (outcome) =>
                entries.push({ scenario: scenario.name, point, kind, outcome }),
              ),
            )
          }
        }
      }
      assertHeld(problems)
    })

    test(`${scenario.name}: the gateway that received the request dies at any moment`, () => {
      const owner = ownerOf(scenario)
      const calm = run(scenario, { arrival: 'other', owner, faults: [] })
      const victim = [...calm.stage.members.keys()].find((id) => id !== owner)!
      const all = calm.stage.points.map((_, at): Fault => ({ at, kind: 'dies', victim }))
      const faults = scenario.takesTurns === true ? all.filter(({ at }) => at % 2 === 0) : all
      assertHeld(faults.map((fault) => attempt(scenario, { arrival: 'other', owner, faults: [fault] })))
    })
  }

  test(`two owners end in a row, at moments drawn with seed ${SEED}`, () => {
    const random = new SeededRandom(SEED)
    const problems = scenarios.flatMap((scenario) => {
      const owner = ownerOf(scenario)
      const { points } = run(scenario, { arrival: 'other', owner, faults: [] }).stage
      return Array.from({ length: PAIRS }, () => attemptPair(scenario, owner, points.length, random))
    })
    assertHeld(problems)
  })

  test('every exchange was disturbed at every moment', (t) => {
    for (const line of [...legend, ...table(entries), `${runs} runs`]) t.diagnostic(line)
    for (const { name } of scenarios)
      assert.ok(
        entries.some(({ scenario, outcome }) => scenario === name && outcome !== 'answered'),
        name,
      )
  })
}

function attemptPair(scenario: Scenario, owner: string, pointCount: number, random: SeededRandom): string | null {
  const draw = (from: number, to: number): Pick<Fault, 'at' | 'kind'> => ({
    at: from + randomBelow(random, to - from),
    kind: faultKinds[randomBelow(random, faultKinds.length)]!,
  })
  const first = { ...draw(0, pointCount), victim: owner }
  // The first fault makes the run longer: the second one comes somewhere in what it makes.
  const { points } = run(scenario, { arrival: 'other', owner, faults: [first] }).stage
  if (points.length === first.at + 1) return null
  const second = { ...draw(first.at + 1, points.length), victim: null }
  return attempt(scenario, { arrival: 'other', owner, faults: [first, second] })
}

function assertHeld(problems: readonly (string | null)[]): void {
  const failed = problems.filter((problem) => problem !== null)
  assert.equal(failed.length, 0, `${failed.length} of ${problems.length} runs failed:\n${failed.slice(0, 3).join('\n')}`)
}
