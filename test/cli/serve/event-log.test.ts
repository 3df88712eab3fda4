/** What the log leaves out. A process of its own, for pino writes to standard output. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

const module = new URL('../../../src/cli/serve/logging/event-log.js', import.meta.url).href

function logged(statements: string): readonly Record<string, unknown>[] {
  const script = `const { EventLog } = await import(${JSON.stringify(module)}); ${statements}`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  return output
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('octets, objects and fields that are not listed are left out, though the types were lied to', () => {
  const [line] = logged(`
    const log = new EventLog('sg1', { level: 'info', modules: {} })
    log.write('fatal', { error: 'it broke', cause: Buffer.from('key'), key: 'secret', sealed: { key: 'secret' } })`)
  const { level, gateway, event, error, ...rest } = line!
  assert.deepEqual([level, gateway, event, error], [60, 'sg1', 'fatal', 'it broke'])
  assert.deepEqual(Object.keys(rest).sort(), ['time'])
})

test("a module's own level goes before the level of all", () => {
  const lines = logged(`
    const log = new EventLog('sg1', { level: 'warn', modules: { cluster: 'debug', process: 'silent' } })
    log.write('peer', { peer: 'sg2', state: 'connected' })
    log.write('serving', { incarnation: 1 })
    log.write('not-serving', { reasons: ['its serving lease has run out'] })
    log.write('fatal', { error: 'it broke' })
    log.setLevels({ level: 'info', modules: {} })
    log.write('peer', { peer: 'sg2', state: 'closed' })
    log.write('serving', { incarnation: 2 })`)
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['peer', 'not-serving', 'log-levels', 'serving'],
  )
})
