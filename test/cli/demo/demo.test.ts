/** The demo itself, as it is started by its users: real processes on this machine's loopback. */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { soundOf } from '../../../src/cli/demo/melody.ts'
import type { DemoReport } from '../../../src/cli/demo/report.ts'
import { until } from '../../support/until.ts'
import { evpc, temporaryFolder } from '../evpc.ts'
import type { CallRecord } from './call-records.ts'
import { recordReader, samplesOf } from './call-records.ts'

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

/** A demo whose figures are asked for as one object: what it says meanwhile, and at its end. */
class RunningDemo {
  said = ''
  readonly #child: ChildProcess
  readonly #ended: Promise<{ readonly code: number | null; readonly report: DemoReport }>

  constructor(args: readonly string[], folder: string) {
    const env = { PATH: process.env['PATH'] ?? '', TMPDIR: folder }
    const child = spawn(process.execPath, [main, 'demo', '--json', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (this.said += data.toString()))
    this.#ended = once(child, 'close').then(() => ({ code: child.exitCode, report: JSON.parse(output) as DemoReport }))
  }

  get ended(): Promise<{ readonly code: number | null; readonly report: DemoReport }> {
    return this.#ended
  }

  /** Resolves when so many events have been measured, however long that takes on this machine. Throws when the demo ends before. */
  async told(events: number): Promise<void> {
    while ([...this.said.matchAll(/^(KILL|RESTART|DRAIN) /gm)].length < events) {
      const hasEnded = await Promise.race([once(this.#child.stderr!, 'data').then(() => false), this.#ended.then(() => true)])
      assert.ok(!hasEnded, `the demo ended before its story was told:\n${this.said}`)
    }
  }

  /** As Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** Of the page that it names, with the token that it names. */
  fetch(
    path: string,
    options: { readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const [, url, token] = /dashboard: (http:\S+)\/#token=(\S+)/.exec(this.said)!
    return fetch(`${url}${path}`, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } })
  }
}

/** Listens to the call until the demo ends. */
async function listen(demo: RunningDemo): Promise<CallRecord[]> {
  const records: CallRecord[] = []
  const reader = await recordReader()
  const body = (await demo.fetch('/demo/call')).body!
  const reading = async (): Promise<void> => {
    for await (const octets of body) records.push(...reader.read(octets as Uint8Array))
  }
  // It breaks off with the demo.
  reading().catch(() => undefined)
  return records
}

/** Follows the events as browsers do, from one connection to the next, until the demo ends. */
async function follow(demo: RunningDemo): Promise<number[]> {
  const indexes: number[] = []
  const oneConnection = async (): Promise<void> => {
    const response = await demo.fetch('/v1/events', { headers: { 'Last-Event-ID': String(indexes.at(-1) ?? 0) } })
    if (!response.ok) return
    const decoder = new TextDecoder()
    let text = ''
    for await (const octets of response.body!) {
      const lines = (text + decoder.decode(octets as Uint8Array, { stream: true })).split('\n')
      text = lines.pop()!
      for (const line of lines) if (line.startsWith('id: ')) indexes.push(Number(line.slice('id: '.length)))
    }
  }
  const going = async (): Promise<void> => {
    for (;;) await oneConnection()
  }
  // Nobody answers any more at the end.
  going().catch(() => undefined)
  return indexes
}

const ownerIn = (records: readonly CallRecord[]): string | null =>
  records.flatMap((record) => (record.type === 'status' ? [record.status.call.owner] : [])).at(-1) ?? null

test(
  'every session goes on through kills, restarts and a drain; one can be heard, and the page stays; standard output is one object',
  { skip },
  async (t) => {
    const folder = temporaryFolder(t)
    const demo = new RunningDemo(['--seconds', '600', '--sessions', '6'], folder)
    await until(() => demo.said.includes('6 sessions up'))
    const [records, indexes] = [await listen(demo), await follow(demo)]
    await until(() => ownerIn(records) !== null && indexes.length > 0 && records.some(({ type }) => type === 'packet'))
    const owner = ownerIn(records)!
    const kill = (gateway: string): Promise<Response> => demo.fetch('/demo/kill', { method: 'POST', body: JSON.stringify({ gateway }) })
    const killed = await kill(owner)
    assert.deepEqual([killed.status, await killed.json()], [200, { gateway: owner }], demo.said)
    const [before, eventsBefore] = [records.length, indexes.length]
    const refused = await kill(owner === 'sg1' ? 'sg2' : 'sg1')
    assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [409, 'ERR_QUORUM_AT_RISK'])
    assert.equal((await demo.fetch('/v1/cluster?consistency=local')).status, 200)
    await until(() => ownerIn(records) !== owner && records.slice(before).filter(({ type }) => type === 'packet').length > 50)
    await until(() => indexes.length > eventsBefore)

    const story = ['KILL', 'RESTART', 'KILL', 'RESTART', 'DRAIN']
    await demo.told(story.length)
    demo.interrupt()
    const { code, report } = await demo.ended
    assert.equal(code, 0, demo.said)
    const { gateways, sessions, events, packets, reAuthentications, sequenceNumbersReused } = report
    assert.deepEqual([gateways, sessions, reAuthentications, sequenceNumbersReused, packets.duplicated], [3, 6, 0, 0, 0])
    assert.equal(packets.sent, packets.up.sent + packets.down.sent)
    assert.equal(packets.received, packets.up.received + packets.down.received)
    assert.ok(packets.received > 0)
    assert.deepEqual(
      events.map(({ type }) => type.toUpperCase()),
      story,
    )
    assert.equal(events[0]?.gateway, owner)
    // On a busy machine a gateway may lose what it has before anybody kills it.
    const leaving = events.filter((event) => event.type !== 'restart')
    for (const { type, sessionsBefore, sessionsMoved } of leaving) assert.equal(sessionsMoved, sessionsBefore, `${type}:\n${demo.said}`)
    assert.ok(
      leaving.some(({ sessionsMoved }) => sessionsMoved > 0),
      demo.said,
    )

    const heard = records.flatMap((record) => (record.type === 'packet' ? [record] : []))
    assert.equal(new Set(heard.map(({ number }) => number)).size, heard.length)
    for (const { number, samples } of heard) assert.deepEqual(samples, samplesOf(soundOf(number)), `packet ${number}`)
    assert.deepEqual(
      indexes,
      [...indexes].sort((a, b) => a - b),
    )
    assert.deepEqual(readdirSync(folder), [])
    assert.deepEqual(processesIn(folder), [])
  },
)

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
