/** The demo itself, as it is started by its users: real processes on this machine's loopback. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { DemoReport } from '../../../src/cli/demo/report.ts'
import { until } from '../../support/until.ts'
import { evpc, temporaryFolder } from '../evpc.ts'

const skip = process.platform === 'linux' ? false : 'gateways share ports as only Linux lets them'
const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url))

/** Ids of the processes whose command line names the folder. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((id) => /^[0-9]+$/.test(id) && commandLine(id).includes(folder))
}

function commandLine(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8')
  } catch (error) {
    // It ended meanwhile.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

function childrenOf(id: number): string[] {
  return readFileSync(`/proc/${id}/task/${id}/children`, 'utf8').trim().split(' ')
}

test('every session goes on through a kill, a restart and a drain, and standard output is one object', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const { code, stdout, stderr } = await evpc(['demo', '--json', '--seconds', '20', '--sessions', '6'], { TMPDIR: folder })
  assert.equal(code, 0, stderr)
  const report = JSON.parse(stdout) as DemoReport
  const { gateways, sessions, events, packets, reAuthentications, sequenceNumbersReused } = report
  assert.deepEqual([gateways, sessions, reAuthentications, sequenceNumbersReused, packets.duplicated], [3, 6, 0, 0, 0])
  assert.equal(packets.sent, packets.up.sent + packets.down.sent)
  assert.equal(packets.received, packets.up.received + packets.down.received)
  assert.ok(packets.received > 0)
  // On a slow machine the time is over before the story is.
  const types = events.map(({ type }) => type)
  assert.deepEqual(types, ['kill', 'restart', 'drain'].slice(0, types.length))
  for (const { type, sessionsMoved } of events.filter((event) => event.type !== 'restart')) assert.ok(sessionsMoved > 0, type)
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(processesIn(folder), [])
})

test('nothing of a demo that was killed stays behind', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: folder }
  const child = spawn(process.execPath, [main, 'demo', '--gateways', '1', '--sessions', '1'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  await until(() => output.includes('1 sessions up'))
  assert.equal(processesIn(folder).length, 1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until(() => processesIn(folder).length === 0)
  await until(() => readdirSync(folder).length === 0)
})

test('a demo that loses its trusted host ends, also before anything is up', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: folder }
  const child = spawn(process.execPath, [main, 'demo', '--gateways', '1', '--sessions', '1'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  const host = (): string | undefined => childrenOf(child.pid!).find((id) => commandLine(id).includes('host-process'))
  await until(() => host() !== undefined)
  process.kill(Number(host()), 'SIGKILL')
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 1)
  assert.match(errors, /the trusted host process ended/)
  assert.deepEqual(processesIn(folder), [])
})

const usage: readonly { readonly args: readonly string[]; readonly message: RegExp }[] = [
  { args: ['--gateways', '8'], message: /--gateways: expected at most 7, got 8/ },
  { args: ['--sessions', '1001'], message: /--sessions: expected at most 1000, got 1001/ },
  { args: ['--seconds', 'x'], message: /Expected an integer/ },
]

for (const { args, message } of usage) {
  test(`demo ${args.join(' ')} is refused with exit code 2`, async () => {
    const { code, stderr } = await evpc(['demo', ...args])
    assert.equal(code, 2)
    assert.match(stderr, message)
  })
}
