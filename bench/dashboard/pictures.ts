/**
 * `npm run pictures`: the dashboard's pictures in docs/dashboard, of a cluster of three gateways on this machine with calls in progress, of which one is
 * drained and another is killed and comes back. Needs Debian's package chromium.
 */

import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { chromiumUnavailable, launchBrowser } from '../../test/support/browser.ts'
import { ElasticCluster } from '../../test/support/elastic-cluster.ts'

const folder = join(fileURLToPath(new URL('../../..', import.meta.url)), 'docs/dashboard')
const clients = 24
const [serving, killed, drained] = ['sg1', 'sg2', 'sg3'] as const
/** Between one thing that happens and the next. */
const PAUSE_MS = 8000
/** Between what is asked for and the picture: what is drawn anew every second has been. */
const SETTLED_MS = 1500
const MAX_OCTETS = 150_000

async function main(): Promise<void> {
  const reason = chromiumUnavailable()
  if (reason !== false) throw new Error(reason)
  await mkdir(folder, { recursive: true })
  const cleanUps: (() => unknown)[] = []
  // What it starts ends with this program as it would with a test.
  const end = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) } as TestContext
  try {
    const elastic = await ElasticCluster.start(end, 3, 3, clients)
    const browser = await launchBrowser()
    cleanUps.push(() => browser.close())
    await take(browser, elastic)
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
}

async function take(browser: Browser, elastic: ElasticCluster): Promise<void> {
  const { cluster } = elastic
  const desktop = await browser.newPage({ viewport: { width: 1280, height: 1180 } })
  await desktop.goto(`http://127.0.0.1:${cluster.of(serving).admin}/#token=${cluster.layout.adminToken}`)
  elastic.flow()
  await wait(PAUSE_MS)
  await elastic.drain(serving, drained)
  await wait(PAUSE_MS)
  await cluster.delete(serving, `/v1/gateways/${drained}/drain`)
  await wait(PAUSE_MS)
  await cluster.process(killed).kill()
  await wait(PAUSE_MS)
  cluster.serve(killed)
  await cluster.ready(killed)
  await wait(PAUSE_MS)
  const all = await elastic.cluster.agreedSessions(serving)
  const session = all.find(({ takeovers }) => takeovers > 0) ?? all[0]
  for (const to of [killed, drained, serving]) {
    await elastic.transfer(session!.id, to)
    await wait(PAUSE_MS / 2)
  }
  await picture(desktop, 'light')
  await desktop.emulateMedia({ colorScheme: 'dark' })
  await picture(desktop, 'dark')
  await desktop.emulateMedia({ colorScheme: 'light' })
  await desktop.fill('#wanted', session!.id)
  await desktop.press('#wanted', 'Enter')
  await desktop.locator('#session-body').waitFor()
  await desktop.setViewportSize({ width: 1280, height: 800 })
  await picture(desktop, 'session')
  // The same page, so that it has seen what it shows.
  await desktop.click('nav a[data-view=overview]')
  await desktop.setViewportSize({ width: 360, height: 1150 })
  await picture(desktop, 'phone')
}

async function picture(page: Page, name: string): Promise<void> {
  await wait(SETTLED_MS)
  const path = join(folder, `${name}.png`)
  await page.screenshot({ path })
  const { size } = await stat(path)
  console.log(`${path}: ${size} octets`)
  if (size > MAX_OCTETS) throw new Error(`${path} has ${size} octets, more than ${MAX_OCTETS}`)
}

await main()
