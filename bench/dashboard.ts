/**
 * The dashboard in Chromium before a gateway with many sessions: how long it takes to load, to search, to turn a page, to show that a third of all
 * sessions have moved, and what a minute of it costs while a hundred sessions a second are transferred. The gateway's state is real, its clients
 * are not, and its server shares the machine with the browser.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { createAdmin } from '../src/admin/server.ts'
import { chromiumUnavailable, launchBrowser } from '../test/support/browser.ts'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import { FleetSource, nameOf } from './dashboard/fleet-source.ts'
import { blocksOf, drawBars } from './plot/bars.ts'

const SESSIONS = 100_000
const TOKEN = 'token-of-the-bench'
const EVENTS_A_SECOND = 100
const ROUNDS = 5

export const dashboardBench: Bench = {
  name: 'dashboard',
  question: 'how long the dashboard takes to load, search and follow with 100,000 sessions (needs chromium)',
  parameters: (options) => ({ sessions: SESSIONS, eventsPerSecond: EVENTS_A_SECOND, liveSeconds: liveSeconds(options), rounds: ROUNDS }),
  async run(options, report) {
    const reason = chromiumUnavailable()
    if (reason !== false) throw new Error(reason)
    const source = new FleetSource(SESSIONS)
    const onError = (error: unknown): never => {
      throw error
    }
    const listen = { host: '127.0.0.1', port: 0 }
    const server = await createAdmin({ source, tokens: { admin: TOKEN, read: null }, listen, onError })
    const browser = await launchBrowser()
    try {
      await measure(browser, server.url, source, options, report)
    } finally {
      await browser.close()
      await server.close()
    }
  },
  picture: (rows, caption) => drawBars('The dashboard with 100,000 sessions', blocksOf(rows), caption),
}

function liveSeconds({ isQuick }: BenchOptions): number {
  return isQuick ? 15 : 60
}

async function measure(
  browser: Browser,
  url: string,
  source: FleetSource,
  options: BenchOptions,
  report: (row: Measurement) => void,
): Promise<void> {
  const row = (what: string, values: readonly number[], unit = 'ms'): void =>
    report({ parameters: { what }, figures: { [unit === 'ms' ? 'time' : 'amount']: figure(unit, values) } })
  const loads: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const page = await browser.newPage()
    loads.push(await timed(() => load(page, url)))
    await page.close()
  }
  row('load, until the counts are shown', loads)
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  await load(page, url)
  row('the last session by its identity', await times((i) => find(page, nameOf(SESSIONS - i), '#sessions-rows')))
  row('a session by its id', await times((i) => find(page, String(SESSIONS - 3 * i), '#session-title', nameOf(SESSIONS - 3 * i))))
  await page.click('nav a[data-view=sessions]')
  await page.locator('#sessions-rows tr').first().waitFor()
  row('the next page of fifty', await times((i) => turn(page, i)))
  await page.click('nav a[data-view=overview]')
  await live(page, source, liveSeconds(options), row)
  row('a third has moved: until the page shows it', [await timed(() => fail(page, source))])
}

async function load(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/#token=${TOKEN}`)
  await page.locator('#figure-sessions', { hasText: '100,000' }).waitFor()
}

async function find(page: Page, wanted: string, where: string, text = wanted): Promise<void> {
  await page.fill('#wanted', wanted)
  await page.press('#wanted', 'Enter')
  await page.locator(where, { hasText: text }).waitFor()
}

async function turn(page: Page, i: number): Promise<void> {
  await page.click('#next-page')
  await page.locator('#sessions-summary', { hasText: `sessions ${50 * (i + 1) + 1} to` }).waitFor()
}

async function fail(page: Page, source: FleetSource): Promise<void> {
  source.fail('sg2')
  await page.locator('#gateways tr[data-gateway=sg2] .amount', { hasText: /^0$/ }).first().waitFor()
}

/** What the page's own thread was busy with while there was a lot to follow. */
async function live(
  page: Page,
  source: FleetSource,
  seconds: number,
  row: (what: string, values: readonly number[], unit?: string) => void,
) {
  await page.evaluate(`window.longest = 0; new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration)
  }).observe({ type: 'longtask' })`)
  const tools = await page.context().newCDPSession(page)
  await tools.send('Performance.enable')
  const before = await busy(tools)
  let told = 0
  const teller = setInterval(() => source.tellTransfer((told += 1)), 1000 / EVENTS_A_SECOND)
  await wait(1000 * seconds)
  clearInterval(teller)
  const after = await busy(tools)
  row('a second of live updates, of the page’s thread', [(1000 * (after.task - before.task)) / seconds])
  row('the longest task meanwhile', [await page.evaluate<number>('window.longest')])
  row('memory of the page’s scripts', [after.heap / 1e6], 'MB')
}

async function busy(tools: CDPSession): Promise<{ readonly task: number; readonly heap: number }> {
  const { metrics } = await tools.send('Performance.getMetrics')
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0
  return { task: of('TaskDuration'), heap: of('JSHeapUsedSize') }
}

async function times(once: (i: number) => Promise<void>): Promise<readonly number[]> {
  const values: number[] = []
  for (let i = 0; i < ROUNDS; i++) values.push(await timed(() => once(i)))
  return values
}

async function timed(once: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await once()
  return performance.now() - startedMs
}
