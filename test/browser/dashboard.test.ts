/** The dashboard in a real browser, before a real cluster: three gateways and four clients, of which one gateway is killed. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionView } from '../../src/admin/source.ts'
import { Watched, chromiumUnavailable, openBrowser } from '../support/browser.ts'
import { ElasticCluster } from '../support/elastic-cluster.ts'

const serving = 'sg1'
const killed = 'sg3'

test('the dashboard of a cluster of which a gateway dies', { skip: chromiumUnavailable() }, async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 4)
  const { cluster } = elastic
  await elastic.spread(['sg2', killed])
  const url = `http://127.0.0.1:${cluster.of(serving).admin}/`
  const watched = await Watched.open(await openBrowser(t), url, {}, [/\/transfer$/])
  const { page } = watched
  const [first] = (await elastic.cluster.agreedSessions(serving)) as [SessionView]
  const row = (gateway: string): string => `#gateways tr[data-gateway=${gateway}]`

  await t.test('shows nothing before there is a token, which is taken by the keyboard and kept out of the address', async () => {
    await page.goto(url)
    await page.locator('#login').waitFor()
    assert.equal(await page.locator('#main').isVisible(), false)
    await page.keyboard.type(cluster.layout.adminToken)
    await page.keyboard.press('Enter')
    await watched.sees('#state', 'live')
    assert.doesNotMatch(page.url(), new RegExp(cluster.layout.adminToken))
  })

  await t.test('shows every gateway, who leads, and how many sessions each has', async () => {
    await watched.sees('#figure-sessions', /^4$/)
    for (const id of ['sg1', 'sg2', 'sg3']) await watched.sees(`${row(id)} .state`, 'up')
    const { leader } = await elastic.status(serving)
    await watched.sees(`${row(leader!)} .badges`, 'leader')
    await watched.sees('#raft-summary', `${leader} leads term`)
    await watched.sees('#members .state', 'replicating')
    await page.locator('#owners-chart[aria-label*="4 sessions by owner"]').waitFor()
    assert.ok((await page.locator('#owners-chart path.band').count()) > 0)
    await watched.sees('#timeline [data-type=transfer]', /session/)
  })

  await t.test('finds a session by its client, and shows it at an address of its own', async () => {
    await page.fill('#wanted', first.identity!)
    await page.keyboard.press('Enter')
    await watched.sees('#sessions-rows', first.identity!)
    assert.equal(await page.locator('#sessions-rows tr').count(), 1)
    await page.click(`#sessions-rows a >> text=${first.identity}`)
    await watched.sees('#session-title', first.identity!)
    assert.equal(new URL(page.url()).hash, `#/sessions/${first.id}`)
    await watched.sees('#session-children', 'horizon')
    await watched.sees('#session-ikes', first.ike[0]!.responderSpi)
    await page.reload()
    await watched.sees('#session-title', first.identity!)
  })

  await t.test('transfers a session once that is confirmed, and not before', async () => {
    const { owner } = (await elastic.cluster.agreedSessions(serving)).find(({ id }) => id === first.id)!
    const to = owner === 'sg2' ? serving : 'sg2'
    await page.click('#transfer')
    await page.selectOption('#choice', to)
    await page.click('dialog >> text=Cancel')
    assert.equal(await page.locator('dialog').isVisible(), false)
    assert.equal((await elastic.cluster.agreedSessions(serving)).find(({ id }) => id === first.id)!.owner, owner)
    await page.click('#transfer')
    await page.selectOption('#choice', to)
    await page.click('dialog button >> text=Transfer')
    await watched.sees('#toast', `session ${first.id} is at ${to}`)
    await watched.sees('#session-facts div:first-child dd', to)
    assert.equal((await elastic.cluster.agreedSessions(serving)).find(({ id }) => id === first.id)!.owner, to)
  })

  await t.test('shows that a gateway dies and where its sessions go, and why nothing can be sent there', async () => {
    const victim = (await elastic.cluster.agreedSessions(serving)).find(({ owner }) => owner === killed)!
    await page.click('#transfer')
    await page.selectOption('#choice', killed)
    await cluster.process(killed).kill()
    await elastic.knownDown(serving, killed)
    await page.click('dialog button >> text=Transfer')
    await watched.sees('dialog [role=alert]', `gateway ${killed} is not up`)
    await page.keyboard.press('Escape')
    await page.click('nav >> text=Overview')
    await watched.sees(`${row(killed)} .state`, 'down')
    await watched.sees(`${row(killed)} .amount`, /^0$/)
    await watched.sees('#figure-sessions', /^4$/)
    await watched.sees('#timeline [data-type=takeover]', `${killed} down: `)
    await watched.sees('#owners-chart .mark.takeover', `${killed} down`)
    await page.click('nav >> text=Sessions')
    const now = (await elastic.cluster.agreedSessions(serving)).find(({ id }) => id === victim.id)!
    await watched.sees('#sessions-rows tr', new RegExp(`${victim.identity}.*${now.owner}`))
  })

  await t.test('the keyboard reaches all of it, in order, and it is seen where it is; Escape leaves a question as it was', async () => {
    await page.click('nav >> text=Overview')
    await page.reload()
    await watched.sees('#state', 'live')
    const way = await watched.tabTo('sign-out')
    const wanted = ['skip', 'Overview', 'wanted', 'auto', 'As a table', 'rebalance', 'Drain sg1', 'Drain sg2', 'with-sessions', 'timeline']
    const found = wanted.map((one) => way.findIndex((name) => name === one || name.endsWith(one)))
    assert.ok(!found.includes(-1), `${wanted.join(', ')} in ${way.join(', ')}`)
    assert.deepEqual(
      found,
      [...found].sort((a, b) => a - b),
    )
    await page.focus(`${row('sg2')} button`)
    await page.keyboard.press('Enter')
    await watched.sees('dialog', 'Drain sg2?')
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'hidden' })
    assert.equal(await watched.focused(), 'Drain sg2')
    await watched.sees(`${row('sg2')} .state`, 'up')
  })

  await t.test('is as narrow as a phone, and dark where that is wanted', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor'
    const light = await page.evaluate(background)
    await page.emulateMedia({ colorScheme: 'dark' })
    assert.notEqual(await page.evaluate(background), light)
    await page.setViewportSize({ width: 320, height: 640 })
    for (const hash of ['#/', '#/sessions', `#/sessions/${first.id}`]) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
      await watched.sees('main', hash === '#/' ? 'Raft group' : first.identity!)
      await watched.assertNoOverflow()
    }
  })

  await t.test('has said nothing in the console, asked nobody else, and broken no rule of its policy', () => watched.assertNoProblems())
})
