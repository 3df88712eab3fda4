/** The dashboard in a real browser, before a source of canned state: what a real cluster would seldom show. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Browser } from 'playwright-core'
import { adminToken, readToken, startAdmin } from '../admin/running-admin.ts'
import type { AdminServer } from '../../src/admin/server.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { FakeSource, sessionView } from '../admin/fake-source.ts'
import { Watched, chromiumUnavailable, openBrowser } from '../support/browser.ts'

const hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>'

test('the dashboard before canned state', { skip: chromiumUnavailable() }, async (t) => {
  const browser = await openBrowser(t)
  await t.test('a token for reading can see everything and do nothing', (t) => readOnly(t, browser))
  await t.test('what clients call themselves is text', (t) => hostileIdentity(t, browser))
  await t.test('the history of owners, totals and interruptions are shown where the API has them', (t) => measured(t, browser))
  await t.test('is as narrow as a phone whatever it shows', (t) => wideValues(t, browser))
  await t.test('the list is read a page at a time', (t) => pages(t, browser))
  await t.test('a gateway that comes back is followed on from where it was lost', (t) => comeback(t, browser))
  await t.test('a demo mounts its panel', (t) => demo(t, browser))
})

async function open(t: TestContext, browser: Browser, hash: string, token = adminToken) {
  const admin = await startAdmin(t)
  const watched = await Watched.open(browser, admin.url)
  t.after(() => watched.page.close())
  await watched.page.goto(`${admin.url}/#token=${token}`)
  await watched.sees('#state', 'live')
  await watched.page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  return { ...admin, watched, page: watched.page }
}

async function readOnly(t: TestContext, browser: Browser): Promise<void> {
  const { watched, page } = await open(t, browser, '#/', readToken)
  await watched.sees('#access', 'read only')
  for (const button of ['#rebalance', '#gateways button']) assert.equal(await page.locator(button).first().isDisabled(), true, button)
  await page.evaluate(`location.hash = '#/sessions/7'`)
  await watched.sees('#session-title', 'client-7@example.org')
  for (const button of ['#transfer', '#terminate']) assert.equal(await page.locator(button).isDisabled(), true, button)
  watched.assertNoProblems()
}

async function hostileIdentity(t: TestContext, browser: Browser): Promise<void> {
  const { watched, page, source } = await open(t, browser, '#/')
  source.session = async (id) => ({ ...sessionView(id, 'sg1'), identity: hostile, connection: hostile, remote: hostile })
  source.sessions = async () => ({ sessions: [await source.session('7')], next: null })
  for (const hash of ['#/sessions', '#/sessions/7']) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
    await watched.sees('main', hostile)
  }
  source.addEvent({ index: 43, time: '2026-01-02T03:04:05.000Z', type: 'gateway', gateway: hostile, what: hostile })
  await page.evaluate(`location.hash = '#/'`)
  await watched.sees('#timeline', hostile)
  assert.equal(await page.locator('main img, main script').count(), 0)
  watched.assertNoProblems()
}

async function measured(t: TestContext, browser: Browser): Promise<void> {
  const { watched, page, source } = await open(t, browser, '#/')
  const time = new Date().toISOString()
  for (const [i, interruptionMs] of [31, 45, 62].entries())
    source.addEvent({ index: 50 + i, time, type: 'transfer', session: String(i + 1), from: 'sg1', to: 'sg2', epoch: 4, interruptionMs })
  await watched.sees('#timeline [data-type=transfer]', '3 sessions from sg1 to sg2')
  await watched.sees('#timeline .measured', 'median 45 ms, most 62 ms')
  await page.locator('#owners-chart circle.dot').nth(2).waitFor({ state: 'attached' })
  const owners = [
    { gateway: 'sg3', epoch: 1, since: '2026-01-02T03:04:05.678Z', how: 'established', interruptionMs: null },
    { gateway: 'sg1', epoch: 3, since: '2026-01-02T04:04:05.678Z', how: 'takeover', interruptionMs: 62.4 },
  ]
  const totals = { outbound: { octets: 1_234_567, packets: 4321 }, inbound: { octets: 999, packets: 7 } }
  // Not through the API's own schemas: they may not know these fields.
  await page.route('**/v1/sessions/7?*', (route) => route.fulfill({ json: { ...sessionView('7', 'sg1'), owners, totals } }))
  await page.evaluate(`location.hash = '#/sessions/7'`)
  await watched.sees('#session-owners tr:first-child', /sg1takeover.*62 ms/)
  await watched.sees('#session-owners tr:last-child', /sg3established/)
  await watched.sees('#session-facts', '1.23 MB · 4,321 packets')
  watched.assertNoProblems()
}

/** Tables scroll where they have to, which with what there is every day they need not. */
async function wideValues(t: TestContext, browser: Browser): Promise<void> {
  const { watched, page, source } = await open(t, browser, '#/')
  await page.setViewportSize({ width: 320, height: 640 })
  await watched.sees('main', 'Raft group')
  await watched.assertNoOverflow()
  const scrolling = `[...document.querySelectorAll('section')].filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.id)`
  assert.deepEqual(await page.evaluate(scrolling), [])
  const [status, gateways] = [source.status(), source.gateways()]
  const load = { sessions: 1_000_000, packetsPerSecond: 12_345_678, state: 'draining', backoffMs: 599_000 } as const
  source.gateways = () => gateways.map((gateway) => ({ ...gateway, ...load }))
  const members = status.members.map((member) => ({ ...member, state: 'snapshotting', matchIndex: 1_234_567 }) as const)
  source.status = () => ({ ...status, members, term: 1_234_567, commitIndex: 987_654_321 })
  await watched.sees('#gateways .sub', 'held back 9 min 59 s')
  await watched.sees('#members', 'snapshotting')
  await watched.assertNoOverflow()
  watched.assertNoProblems()
}

async function pages(t: TestContext, browser: Browser): Promise<void> {
  const { watched, page, source } = await open(t, browser, '#/sessions?owner=sg1')
  await watched.sees('#sessions-summary', 'sessions 1 to 50')
  await page.click('#next-page')
  await watched.sees('#sessions-summary', 'sessions 51 to 100')
  await page.click('#next-page')
  await watched.sees('#sessions-summary', 'sessions 101 to 150')
  await page.click('#previous-page')
  await watched.sees('#sessions-summary', 'sessions 51 to 100')
  assert.equal(await page.locator('#sessions-rows tr').count(), 50)
  assert.deepEqual(
    source.calls.filter((call) => call.startsWith('sessions')),
    Array.from({ length: 4 }, () => 'sessions sg1 null'),
  )
  watched.assertNoProblems()
}

async function comeback(t: TestContext, browser: Browser): Promise<void> {
  const source = new FakeSource()
  const start = (port: number): Promise<AdminServer> => {
    const onError = (error: unknown): never => {
      throw error
    }
    return createAdmin({ source, tokens: { admin: adminToken, read: null }, listen: { host: '127.0.0.1', port }, onError })
  }
  const lost = await start(0)
  t.after(() => lost.close())
  const watched = await Watched.open(browser, lost.url)
  const { page } = watched
  t.after(() => page.close())
  const at = (index: number, what: string) => source.addEvent({ index, time: new Date().toISOString(), type: 'config', what })
  at(42, 'before')
  await page.goto(`${lost.url}/#token=${adminToken}`)
  await watched.sees('#timeline', 'before')
  await lost.close()
  await watched.sees('#state', 'no answer')
  at(43, 'meanwhile')
  const found = await start(lost.port)
  t.after(() => found.close())
  await watched.sees('#state', 'live')
  await watched.sees('#timeline', 'meanwhile')
  assert.equal(await page.locator('#timeline li').count(), 2)
}

async function demo(t: TestContext, browser: Browser): Promise<void> {
  const { url, watched, page } = await open(t, browser, '#/')
  await page.route('**/demo/status', (route) => route.fulfill({ json: {} }))
  const panel = `export function mount(section) { section.textContent = 'kill ' + section.tagName }`
  await page.route('**/demo/panel.js', (route) => route.fulfill({ contentType: 'text/javascript', body: panel }))
  await page.goto(`${url}/?again`)
  await watched.sees('#demo', 'kill SECTION')
  watched.assertNoProblems()
}
