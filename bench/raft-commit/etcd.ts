/**
 * The peer: three etcd processes on loopback, with mutual TLS between them, as Debian ships them and with their defaults (each write to the
 * log is synced), loaded by h2load, which posts one gRPC request again and again over HTTP/2 without TLS.
 */

import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, closeSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { signalChild } from '../../src/cli/signal-child.ts'
import { commandExists } from '../../src/network/commands.ts'
import type { CostedRound, LoadOptions, Round } from './load.ts'
import { roundOf } from './load.ts'
import { costed } from './costed.ts'

export interface EtcdOptions {
  /** With ca.pem, and a certificate and key of each server. */
  readonly certificates: string
  readonly folder: string
  readonly ids: readonly string[]
  /** Two for each server: for its peers, for its clients. */
  readonly ports: readonly number[]
  readonly valueOctets: number
}

/** All three start at once, and elect after a second. */
const startTimeoutMs = 20_000
/** Until what was cancelled is counted. */
const settleMs = 200
const key = 'bench'

/** What there must be, in words; false: it is there. */
export async function etcdMissing(): Promise<string | false> {
  const missing: string[] = []
  if (!(await commandExists('etcd'))) missing.push('etcd-server')
  if (!(await commandExists('h2load'))) missing.push('nghttp2-client')
  return missing.length === 0 ? false : `not there: apt-get install ${missing.join(' ')} (or npm run bench:install)`
}

interface Request {
  readonly beginMs: number
  readonly tookMs: number
}

export class EtcdCluster {
  readonly #options: EtcdOptions
  readonly #members: readonly EtcdMember[]
  readonly #body: string
  readonly #log: string

  static async start(options: EtcdOptions): Promise<EtcdCluster> {
    await mkdir(options.folder, { recursive: true })
    const cluster = new EtcdCluster(options)
    try {
      await writeFile(cluster.#body, putRequest(key, options.valueOctets))
      await cluster.#leader()
      return cluster
    } catch (error) {
      cluster.kill()
      throw error
    }
  }

  private constructor(options: EtcdOptions) {
    this.#options = options
    this.#body = join(options.folder, 'put-request')
    this.#log = join(options.folder, 'h2load.log')
    const peers = options.ids.map((id, i) => `${id}=https://127.0.0.1:${options.ports[2 * i]}`).join(',')
    this.#members = options.ids.map((id, i) => new EtcdMember(options, id, options.ports[2 * i]!, options.ports[2 * i + 1]!, peers))
  }

  /**
   * Loads the leader: for the time of warming up first, which h2load ends by cancelling what is on its way, and then with as many requests as
   * the measured time should take at that rate. None of these may fail.
   */
  async load({ inFlight, warmUpMs, measureMs }: LoadOptions): Promise<CostedRound> {
    const leader = await this.#leader()
    const warmUp = await this.#runH2load(leader, inFlight, ['-D', `${warmUpMs}ms`])
    await delay(settleMs)
    const before = await leader.failures()
    const count = Math.max(inFlight, Math.round((warmUp.length * measureMs) / warmUpMs))
    const pids = this.#members.map(({ pid }) => pid)
    const round = await costed(pids, () => this.#count(leader, inFlight, count))
    const failures = (await leader.failures()) - before
    if (failures > 0 || round.commits !== count) throw new Error(`etcd: ${failures} of ${round.commits} requests failed`)
    await leader.compact()
    return round
  }

  async #count(leader: EtcdMember, inFlight: number, count: number): Promise<Round> {
    const requests = await this.#runH2load(leader, inFlight, ['-n', `${count}`])
    const ends = requests.map(({ beginMs, tookMs }) => beginMs + tookMs)
    const begins = requests.map(({ beginMs }) => beginMs)
    return roundOf(
      requests.map(({ tookMs }) => tookMs),
      (greatest(ends) + greatest(begins.map((ms) => -ms))) / 1000,
    )
  }

  /** The log of h2load has a line for each request that was answered: when it began in µs, its HTTP status, how long it took in µs. */
  async #runH2load(leader: EtcdMember, inFlight: number, length: readonly string[]): Promise<Request[]> {
    const { connections, streams } = spread(inFlight)
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers']
    const load = ['-t', '1', '-c', `${connections}`, '-m', `${streams}`, ...length, ...headers, '-d', this.#body]
    await rm(this.#log, { force: true })
    await promisify(execFile)('h2load', [...load, `--log-file=${this.#log}`, `${leader.url}/etcdserverpb.KV/Put`])
    return (await readFile(this.#log, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [beginUs, status, tookUs] = line.split('\t')
        if (status !== '200') throw new Error(`etcd answered with HTTP status ${status}`)
        return { beginMs: Number(beginUs) / 1000, tookMs: Number(tookUs) / 1000 }
      })
  }

  async #leader(): Promise<EtcdMember> {
    const deadline = Date.now() + startTimeoutMs
    while (Date.now() < deadline) {
      const states = await Promise.all(this.#members.map((member) => member.state()))
      const leading = states.findIndex((state) => state?.isLeader)
      if (leading >= 0 && states.every((state) => state !== null)) return this.#members[leading]!
      await delay(100)
    }
    throw new Error(`etcd has no leader after ${startTimeoutMs} ms; its logs are in ${this.#options.folder}`)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()))
  }

  kill(): void {
    for (const member of this.#members) member.kill()
  }
}

/** Over how many connections: more than about 32 do not make etcd faster here, and fewer make it slower. */
function spread(inFlight: number): { readonly connections: number; readonly streams: number } {
  const connections = Math.min(32, 2 ** Math.ceil(Math.log2(inFlight) / 2))
  return { connections, streams: inFlight / connections }
}

class EtcdMember {
  readonly url: string
  readonly #child: ChildProcess

  constructor(options: EtcdOptions, id: string, peerPort: number, clientPort: number, initialCluster: string) {
    this.url = `http://127.0.0.1:${clientPort}`
    const peerUrl = `https://127.0.0.1:${peerPort}`
    const file = (name: string): string => join(options.certificates, name)
    const settings: Readonly<Record<string, string>> = {
      name: id,
      'data-dir': join(options.folder, id),
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': initialCluster,
      'listen-client-urls': this.url,
      'advertise-client-urls': this.url,
      'peer-client-cert-auth': 'true',
      'peer-trusted-ca-file': file('ca.pem'),
      'peer-cert-file': file(`${id}.pem`),
      'peer-key-file': file(`${id}.key`),
      'log-level': 'error',
    }
    const log = openSync(join(options.folder, `${id}.log`), 'a')
    this.#child = spawn(
      'etcd',
      Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
      { stdio: ['ignore', log, log] },
    )
    closeSync(log)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Null while it does not answer, or knows of no leader. */
  async state(): Promise<{ readonly isLeader: boolean } | null> {
    try {
      const { header, leader } = (await this.#post('maintenance/status', {})) as { header: { member_id: string }; leader?: string }
      return leader === undefined || leader === '0' ? null : { isLeader: header.member_id === leader }
    } catch {
      return null
    }
  }

  /** How many gRPC requests it has answered with an error so far. */
  async failures(): Promise<number> {
    const metrics = await (await fetch(`${this.url}/metrics`)).text()
    const counts = [...metrics.matchAll(/^grpc_server_handled_total\{grpc_code="(\w+)",.*grpc_method="Put",.*\} (\S+)$/gm)]
    return counts.reduce((sum, [, code, count]) => (code === 'OK' ? sum : sum + Number(count)), 0)
  }

  /** Forgets all revisions but the last, so that its database does not grow from round to round. */
  async compact(): Promise<void> {
    const { header } = (await this.#post('kv/range', { key: Buffer.from(key).toString('base64') })) as { header: { revision: string } }
    await this.#post('kv/compaction', { revision: header.revision, physical: true })
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`etcd: ${path}: ${await response.text()}`)
    return response.json()
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    signalChild(this.#child, 'SIGTERM')
    await exit
  }

  kill(): void {
    signalChild(this.#child, 'SIGKILL')
  }
}

/** A message of gRPC: compressed u8 (0) | length u32 | etcdserverpb.PutRequest { bytes key = 1; bytes value = 2 }. */
function putRequest(name: string, valueOctets: number): Buffer {
  const message = Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.alloc(valueOctets, 'x'))])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Of Protocol Buffers: its number with the wire type 2, the length, the octets. */
function field(number: number, octets: Buffer): Buffer {
  const { length } = octets
  return Buffer.concat([Buffer.of((number << 3) | 2, ...(length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7])), octets])
}

/** Of many values: more than a call takes arguments. */
function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity)
}
