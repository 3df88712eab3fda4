/**
 * How long the event loop of a process stands still, from within: `node --import …/stall-probe.js`, and the file to write in EVPC_STALLS. SIGUSR2
 * begins, and ends and writes. A timer every two milliseconds sees each gap; the kernel says for how much of it the thread waited for a processor,
 * V8 for how much it collected garbage, and a profile what ran for the rest of it.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import type { Profiler } from 'node:inspector'
import { PerformanceObserver, performance } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** Of one gap that was longer than `LONG_MS`. */
export interface Stall {
  readonly ms: number
  readonly waitedMs: number
  readonly collectedMs: number
  /** The function of ours that ran most of it, with what it called. */
  readonly what: string
}

export interface StallReport {
  /** For how long beyond its time each timer came, without waiting for a processor, ms; ascending. */
  readonly lateMs: readonly number[]
  /** With it. */
  readonly lateInAllMs: readonly number[]
  /** The longest first. */
  readonly stalls: readonly Stall[]
}

const PERIOD_MS = 2
const LONG_MS = 10
const SAMPLE_US = 500
const MAX_STALLS = 100

interface Gap {
  readonly fromMs: number
  readonly toMs: number
  readonly waitedMs: number
}

class StallProbe {
  readonly #session = new Session()
  readonly #gaps: Gap[] = []
  readonly #collections: { readonly fromMs: number; readonly toMs: number }[] = []
  readonly #observer = new PerformanceObserver((list) => this.#collected(list.getEntries()))
  readonly #timer: NodeJS.Timeout
  #seenMs = performance.now()
  #waitedMs = waitedMs()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
    this.#session.post('Profiler.start')
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#timer = setInterval(() => this.#look(), PERIOD_MS)
    // To begin a profile takes long itself.
    this.#seenMs = performance.now()
    this.#waitedMs = waitedMs()
  }

  end(file: string): void {
    clearInterval(this.#timer)
    this.#collected(this.#observer.takeRecords())
    this.#session.post('Profiler.stop', (_error, { profile }) => {
      writeFileSync(`${file}.new`, JSON.stringify(this.#report(profile)))
      renameSync(`${file}.new`, file)
    })
  }

  #look(): void {
    const [now, waited] = [performance.now(), waitedMs()]
    this.#gaps.push({ fromMs: this.#seenMs, toMs: now, waitedMs: waited - this.#waitedMs })
    this.#seenMs = now
    this.#waitedMs = waited
  }

  #collected(entries: readonly { readonly startTime: number; readonly duration: number }[]): void {
    for (const { startTime, duration } of entries) this.#collections.push({ fromMs: startTime, toMs: startTime + duration })
  }

  #report(profile: Profiler.Profile): StallReport {
    const late = ({ fromMs, toMs, waitedMs: waited }: Gap, isWaitOut: boolean): number =>
      Math.max(0, toMs - fromMs - PERIOD_MS - (isWaitOut ? waited : 0))
    const sorted = (isWaitOut: boolean): number[] => this.#gaps.map((gap) => late(gap, isWaitOut)).sort((a, b) => a - b)
    const long = this.#gaps.filter((gap) => late(gap, true) > LONG_MS).sort((a, b) => late(b, true) - late(a, true))
    const samples = new Samples(profile)
    const stalls = long.slice(0, MAX_STALLS).map((gap): Stall => {
      const overlaps = this.#collections.map(({ fromMs, toMs }) => Math.min(toMs, gap.toMs) - Math.max(fromMs, gap.fromMs))
      const collectedMs = overlaps.reduce((sum, ms) => sum + Math.max(0, ms), 0)
      return { ms: late(gap, true), waitedMs: gap.waitedMs, collectedMs, what: samples.most(gap) }
    })
    return { lateMs: sorted(true), lateInAllMs: sorted(false), stalls }
  }
}

/** What ran when. */
class Samples {
  readonly #nodes: ReadonlyMap<number, { readonly name: string; readonly parent: number | null }>
  readonly #at: { readonly atMs: number; readonly node: number }[] = []

  constructor({ nodes, samples = [], timeDeltas = [], startTime }: Profiler.Profile) {
    const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
    this.#nodes = new Map(nodes.map(({ id, callFrame }) => [id, { name: nameOf(callFrame), parent: parents.get(id) ?? null }]))
    // V8 counts from the machine's start, as hrtime does.
    const originUs = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000
    let atUs = startTime - originUs
    samples.forEach((node, i) => {
      atUs += timeDeltas[i]!
      this.#at.push({ atMs: atUs / 1000, node })
    })
  }

  /** The names from the outermost one of ours down, as far as one of them has most of the gap. */
  most({ fromMs, toMs }: Gap): string {
    const stacks = this.#at.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ node }) => this.#stack(node))
    const names: string[] = []
    for (let within = stacks; within.length > stacks.length / 2;) {
      const counts = new Map<string, number>()
      for (const stack of within)
        if (stack[names.length] !== undefined) counts.set(stack[names.length]!, (counts.get(stack[names.length]!) ?? 0) + 1)
      const [name] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? []
      if (name === undefined) break
      within = within.filter((stack) => stack[names.length] === name)
      if (within.length > stacks.length / 2) names.push(name)
    }
    return names.join(' > ') || 'several'
  }

  /** The outermost first. */
  #stack(node: number): string[] {
    const names: string[] = []
    for (let at: number | null = node; at !== null; at = this.#nodes.get(at)!.parent) {
      const { name } = this.#nodes.get(at)!
      if (name !== '') names.unshift(name)
    }
    return names
  }
}

/** Empty for what is neither ours nor V8's own. */
function nameOf({ functionName, url }: Profiler.Profile['nodes'][number]['callFrame']): string {
  if (functionName.startsWith('(garbage')) return functionName
  const file = /dist\/(?:src|raft)\/(.*)\.js$/.exec(url)?.[1]
  return file === undefined ? '' : `${file} ${functionName}`
}

/** For how long this thread has been ready to run and did not (Documentation/scheduler/sched-stats.rst). */
function waitedMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6
}

const file = process.env['EVPC_STALLS']
if (isMainThread && file !== undefined) {
  let probe: StallProbe | null = null
  process.on('SIGUSR2', () => {
    if (probe === null) probe = new StallProbe()
    else probe.end(file)
  })
}
