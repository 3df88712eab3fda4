/** The catalogue of events: docs/logs.md has it (`REWRITE=1` writes its table anew), and nothing else is logged. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { EventDescription } from '../../../src/cli/serve/logging/catalogue.ts'
import { catalogue } from '../../../src/cli/serve/logging/catalogue.ts'
import { logModules } from '../../../src/kit/log-levels.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

const file = new URL('../../../../docs/logs.md', import.meta.url)
const [begin, end] = ['<!-- events -->\n', '<!-- /events -->']
const events: readonly (readonly [string, EventDescription])[] = Object.entries(catalogue)

function rowOf([event, { module, level, what, fields }]: readonly [string, EventDescription]): string {
  const named = Object.entries(fields).map(([name, kind]) => (kind.endsWith('?') ? `[\`${name}\`]` : `\`${name}\``))
  return `| \`${event}\` | ${module} | ${level} | ${named.join(', ') || '–'} | ${what.replaceAll('|', '\\|')} |`
}

test('the table of events in docs/logs.md is the catalogue', () => {
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  assert.ok(from >= begin.length && to >= from, 'the table has its two marks')
  const head = ['| event | module | level | fields, in brackets those that may be missing | what |', '| --- | --- | --- | --- | --- |']
  const table = [...head, ...events.map(rowOf), ''].join('\n')
  if (process.env['REWRITE'] === '1') writeFileSync(file, `${text.slice(0, from)}${table}${text.slice(to)}`)
  else assert.equal(text.slice(from, to), table, 'REWRITE=1 npm test -- serve/logging writes it anew')
})

interface Line {
  readonly level: number
  readonly time: string
  readonly gateway: string
  readonly event: string
}

function linesOf(log: string): readonly Line[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}

function put(cluster: ServeCluster, token: string, body: unknown): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  const url = `http://127.0.0.1:${cluster.of('sg1').admin}/v1/log-levels`
  return fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) })
}

test('a gateway logs what the catalogue lists, a line each; its levels are set at run time, with the admin token alone', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const lines = linesOf(cluster.process('sg1').log)
  assert.ok(lines.some(({ event }) => event === 'up'))
  const always = new Set(['level', 'time', 'gateway', 'event', 'pid', 'hostname'])
  for (const { level: _, ...line } of lines) {
    assert.equal(line.gateway, 'sg1')
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    const description = new Map(events).get(line.event)
    assert.ok(description !== undefined, `${line.event} is in the catalogue`)
    for (const field of Object.keys(line)) assert.ok(always.has(field) || field in description.fields, `${line.event} has ${field}`)
  }

  assert.deepEqual(await (await cluster.get('sg1', '/v1/log-levels')).json(), { level: 'info', modules: {} })
  const reader = readFileSync(cluster.file('read.token'), 'utf8').trim()
  const levels = { level: 'error', modules: { configuration: 'info' } }
  assert.equal((await put(cluster, reader, levels)).status, 403)
  assert.equal((await put(cluster, cluster.layout.adminToken, { level: 'loud', modules: {} })).status, 400)
  assert.equal((await put(cluster, cluster.layout.adminToken, { level: 'info', modules: { nobody: 'info' } })).status, 400)
  const answer = await put(cluster, cluster.layout.adminToken, levels)
  assert.deepEqual([answer.status, await answer.json()], [200, levels])
  await eventually('the change to be logged', () => linesOf(cluster.process('sg1').log).some(({ event }) => event === 'log-levels'))
  const before = linesOf(cluster.process('sg1').log).length
  cluster.process('sg1').signal('SIGTERM')
  await eventually('sg1 to end', () => !cluster.process('sg1').isRunning)
  assert.deepEqual(
    linesOf(cluster.process('sg1').log).slice(before),
    [],
    'a signal is logged by the module process, which logs errors alone now',
  )
})

test('every module has an event, and every event a module', () => {
  assert.deepEqual([...new Set(events.map(([, { module }]) => module))].sort(), [...logModules].sort())
})
