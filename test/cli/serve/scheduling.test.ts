import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'

const scheduling = new URL('../../../src/cli/serve/scheduling.js', import.meta.url).href

/** Sets it, starts a thread, and says what every thread has, and its session. */
const program = (nice: number): string => `
const { setNice } = await import(${JSON.stringify(scheduling)})
const { Worker } = await import('node:worker_threads')
const { readdirSync, readFileSync, existsSync } = await import('node:fs')
const { getPriority } = await import('node:os')
setInterval(() => {}, 1000)
await setNice(${nice}, { write: (event) => console.log(event) })
const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
worker.on('online', () => {
  const threads = readdirSync('/proc/self/task').map((thread) => getPriority(Number(thread)))
  const session = existsSync('/proc/self/autogroup') ? readFileSync('/proc/self/autogroup', 'utf8') : ''
  console.log(JSON.stringify([...new Set(threads)]), session.trim())
  process.exit()
})`

test('every thread of the process gets it, those that are started later, too; and the session, if the process began it', () => {
  const output = execFileSync('setsid', ['--wait', process.execPath, '--input-type=module', '-e', program(3)], { encoding: 'utf8' })
  assert.match(output, /^\[3\]/)
  if (existsSync('/proc/self/autogroup')) assert.match(output, /nice 3$/m)
  const inOurs = spawnSync(process.execPath, ['--input-type=module', '-e', program(3)], { encoding: 'utf8' })
  assert.match(inOurs.stdout, /^\[3\]/)
  if (existsSync('/proc/self/autogroup')) assert.doesNotMatch(inOurs.stdout, /nice 3$/m)
})

test('the kernel sets the values of so many sessions one after the other', async () => {
  const args = ['--wait', process.execPath, '--input-type=module', '-e', program(3)]
  const outputs = await Promise.all(Array.from({ length: 4 }, async () => (await promisify(execFile)('setsid', args)).stdout))
  for (const output of outputs) {
    assert.match(output, /^\[3\]/)
    if (existsSync('/proc/self/autogroup')) assert.match(output, /nice 3$/m)
  }
})

test('what is not permitted is told, and left as it is', { skip: process.getuid?.() === 0 ? false : 'needs root, to give it up' }, () => {
  const unprivileged = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
  const args = [...unprivileged, process.execPath, '--input-type=module', '-e', program(-5)]
  const { stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8' })
  assert.match(stdout, /^nice-not-set\n\[0\]/, stderr)
})
