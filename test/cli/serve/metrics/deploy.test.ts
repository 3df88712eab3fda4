/** The dashboard and the alerts in docs/deploy speak of metrics, labels and reasons that there are; promtool, where it is installed, runs the alerts' own tests. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { coreDrops } from '../../../../src/gateway/packets/drops.ts'
import { temporaryFolder } from '../../evpc.ts'
import { declaredMetrics, sampleNames } from './registry.ts'

const folder = fileURLToPath(new URL('../../../../../docs/deploy/', import.meta.url))

interface Dashboard {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly type: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets?: readonly { readonly expr: string }[]
  }[]
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}
interface RuleTests {
  readonly tests: readonly { readonly name: string; readonly input_series: readonly { readonly series: string }[] }[]
}

const dashboard = JSON.parse(readFileSync(`${folder}grafana.json`, 'utf8')) as Dashboard
const rules = (parse(readFileSync(`${folder}alerts.yaml`, 'utf8')) as Rules).groups.flatMap((group) => group.rules)
const ruleTests = (parse(readFileSync(`${folder}alerts.test.yaml`, 'utf8')) as RuleTests).tests
const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const declared = declaredMetrics()
const samples = new Map(declared.flatMap((metric) => sampleNames(metric).map((name) => [name, metric] as const)))

function namesIn(expression: string): readonly string[] {
  return expression.match(/\b(?:evpc|process|nodejs)_[a-z_]+\b/g) ?? []
}

/** What Prometheus, and the file's own comment, put on every target. */
const targetLabels = new Set(['cluster', 'instance', 'job'])

/** What is asked for of labels that there are not. */
function labelProblems(expression: string): readonly string[] {
  return [...expression.matchAll(/\b((?:evpc|process|nodejs)_[a-z_]+)\{([^}]*)\}/g)].flatMap(([, name, selector]) => {
    const { type, labels } = samples.get(name!)!
    const known = new Set([...labels, ...targetLabels, ...(type === 'histogram' ? ['le'] : [])])
    const asked = [...selector!.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!)
    return asked.filter((label) => !known.has(label)).map((label) => `${name} has no label ${label}`)
  })
}

test('every metric and label in the dashboard, the alerts and their tests is one that gateways have', () => {
  const expressions = [
    ...queries,
    ...rules.map(({ expr }) => expr),
    ...ruleTests.flatMap((one) => one.input_series.map(({ series }) => series)),
  ]
  assert.ok(expressions.length > 100, `${expressions.length} expressions`)
  for (const expression of expressions) {
    for (const name of namesIn(expression)) assert.ok(samples.has(name), `${name} in ${expression}`)
    assert.deepEqual(labelProblems(expression), [], expression)
  }
})

test('the dashboard shows every metric of ours', () => {
  const shown = new Set(queries.flatMap(namesIn))
  const missing = declared.filter((metric) => metric.name.startsWith('evpc_') && !sampleNames(metric).some((name) => shown.has(name)))
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  )
})

test('panels have ids of their own, lie in the grid, and ask something', () => {
  const { panels } = dashboard
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { title, type, gridPos, targets = [] } of panels) {
    assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title)
    assert.equal(targets.length > 0, type !== 'row', title)
  }
})

test('reasons of drops that alerts name are ones that the packet core has', () => {
  const named = rules.flatMap(({ expr }) =>
    [...expr.matchAll(/evpc_drops_total\{reason=~?"([a-z|-]+)"/g)].flatMap(([, list]) => list!.split('|')),
  )
  const ofPackets = named.filter((reason) => !reason.startsWith('auth') && reason !== 'login-failed')
  assert.ok(ofPackets.length >= 8)
  for (const reason of ofPackets) assert.ok(reason in coreDrops, reason)
})

test('each alert has a test of its own', () => {
  const names = new Set(ruleTests.map(({ name }) => name))
  for (const { alert } of rules) assert.ok(names.has(alert), alert)
})

const promtool = (...args: readonly string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
const isMissing = promtool('--version').error !== undefined && process.env['EVPC_NEEDS_PROMTOOL'] !== '1'
const skip = isMissing ? "promtool is not here; Debian's package prometheus has it" : false

test('promtool takes the alerts, and their tests pass', { skip }, () => {
  for (const args of [
    ['check', 'rules', `${folder}alerts.yaml`],
    ['test', 'rules', `${folder}alerts.test.yaml`],
  ]) {
    const { status, stdout, stderr } = promtool(...args)
    assert.equal(status, 0, `${stdout}${stderr}`)
  }
})

test('promtool takes every query of the dashboard', { skip }, (t) => {
  const filled = queries.map((expr) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$cluster', 'paris').replaceAll('$instance', '.*'),
  )
  const file = join(temporaryFolder(t), 'queries.yaml')
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules: filled.map((expr, i) => ({ record: `query${i}`, expr })) }] }))
  const { status, stdout, stderr } = promtool('check', 'rules', file)
  assert.equal(status, 0, `${stdout}${stderr}`)
  assert.match(stdout, new RegExp(`${queries.length} rules found`))
})
