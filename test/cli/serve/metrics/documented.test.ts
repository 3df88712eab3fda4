/** docs/metrics.md has every metric, as it is: `REWRITE=1` writes its table anew. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { DeclaredMetric } from './registry.ts'
import { declaredMetrics } from './registry.ts'

const file = new URL('../../../../../docs/metrics.md', import.meta.url)
const [begin, end] = ['<!-- metrics -->\n', '<!-- /metrics -->']

function rowOf({ name, type, labels, help }: DeclaredMetric): string {
  const named = labels.map((label) => `\`${label}\``).join(', ')
  return `| \`${name}\` | ${type} | ${named === '' ? '–' : named} | ${help.replaceAll('|', '\\|')} |`
}

test('the table of metrics in docs/metrics.md is that of the registry', () => {
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  assert.ok(from >= begin.length && to >= from, 'the table has its two marks')
  const table = ['| metric | type | labels | what |', '| --- | --- | --- | --- |', ...declaredMetrics().map(rowOf), ''].join('\n')
  if (process.env['REWRITE'] === '1') writeFileSync(file, `${text.slice(0, from)}${table}${text.slice(to)}`)
  else assert.equal(text.slice(from, to), table, 'REWRITE=1 npm test -- metrics/documented writes it anew')
})

test('names are ours or as everywhere, in base units; help is a sentence or less', () => {
  for (const { name, type, help } of declaredMetrics()) {
    assert.match(name, /^(evpc|process|nodejs)_[a-z_]+$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.doesNotMatch(name, /_(ms|milliseconds|octets|percent)(_total)?$/)
    if (name.startsWith('evpc_')) assert.doesNotMatch(help, /\.$/, name)
  }
})
