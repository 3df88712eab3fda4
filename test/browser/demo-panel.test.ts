/** The demo's panel on the dashboard, in a real browser: what arrives of the call is what is played, and what a kill has done is said. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Front } from '../../src/cli/demo/front/front.ts'
import { HeardCall } from '../../src/cli/demo/front/heard-call.ts'
import { OwnRoutes } from '../../src/cli/demo/front/own-routes.ts'
import type { DemoStatus } from '../../src/cli/demo/front/status.ts'
import { soundOf } from '../../src/cli/demo/melody.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { adminToken, readToken, startAdmin } from '../admin/running-admin.ts'
import { Watched, chromiumUnavailable, openBrowser } from '../support/browser.ts'
import { eventually } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

type State = DemoStatus['gateways'][number]['state']

function statusOf(states: readonly State[], owner: string): DemoStatus {
  const isSafe = states.every((state) => state === 'alive')
  return {
    gateways: states.map((state, i) => ({
      id: `sg${i + 1}`,
      pid: state === 'killed' ? null : 100 + i,
      state,
      isDraining: false,
      objection: isSafe ? null : 'one is down already',
    })),
    isShowOn: false,
    restartAfterMs: 4000,
    call: { client: 'client-01', owner, packetMs: 20, sampleRate: 16_000 },
  }
}

/** A demo whose call and whose gateways do what the test says. */
async function started(t: TestContext) {
  const admin = await startAdmin(t)
  const asked: string[] = []
  let status = statusOf(['alive', 'alive', 'alive'], 'sg1')
  const call = new HeardCall(() => status)
  const refuse = async (): Promise<string> => {
    throw new CodedError('ERR_CONFLICT', 'not in this test')
  }
  const kill = async (gateway: string | null): Promise<string> => {
    asked.push(`kill ${gateway}`)
    return gateway!
  }
  const tokens = { admin: adminToken, read: readToken }
  const routes = new OwnRoutes({ tokens, call, status: () => status, kill, drain: refuse, transfer: refuse })
  const gateways = [{ id: 'sg1', port: Number(new URL(admin.url).port), isUp: true }]
  const front = await Front.open({ port: 0, gateways: () => gateways, own: (request, response) => routes.handle(request, response) })
  t.after(() => front.close())
  let now = 0
  /** `count` packets arrive at once. */
  const arrive = (count: number): void => {
    for (const end = now + count; now < end; now++)
      call.arrive({ counter: now, sentMs: 20 * now, arrivedMs: 20 * now + 1, sound: soundOf(now) })
  }
  const lose = (count: number): void => {
    now += count
  }
  const tell = (states: readonly State[], owner: string): void => {
    status = statusOf(states, owner)
    call.look(0)
  }
  return { url: `http://127.0.0.1:${front.port}`, asked, arrive, lose, tell }
}

/** What comes out of the speaker, as loud as it was since it was asked last. */
const listenIn = `
  const Original = AudioWorkletNode
  window.AudioWorkletNode = class extends Original {
    constructor(context, ...rest) {
      super(context, ...rest)
      const analyser = context.createAnalyser()
      this.connect(analyser)
      const samples = new Float32Array(analyser.fftSize)
      window.loudness = () => (analyser.getFloatTimeDomainData(samples), Math.max(...samples.map(Math.abs)))
    }
  }`

/** Its page, which runs `script` first, when it knows of the call. */
async function opened(t: TestContext, script: string) {
  const demo = await started(t)
  const browser = await openBrowser(t)
  const watched = await Watched.open(browser, demo.url)
  const { page } = watched
  await page.addInitScript(script)
  await page.goto(`${demo.url}/#token=${adminToken}`)
  await watched.sees('.call-carrier', 'sg1 carries the call of client-01')
  return { ...demo, watched, page }
}

test('the panel plays the call, and tells what a kill has done to it', { skip: chromiumUnavailable() }, async (t) => {
  const { asked, arrive, lose, tell, watched, page } = await opened(t, listenIn)

  await watched.tabTo('Listen')
  await page.keyboard.press('Enter')
  await watched.sees('.call-listen', 'Stop')
  const feeding = new AbortController()
  t.after(() => feeding.abort())
  const fed = (async () => {
    for (; !feeding.signal.aborted; await wait(20)) arrive(1)
  })()
  await eventually('music', async () => (await page.evaluate<number>('loudness()')) > 0.05)
  await watched.sees('.call-figures', 'Longest silence heard')
  feeding.abort()
  await fed

  await watched.tabTo('Kill sg1')
  await page.keyboard.press('Enter')
  await until(() => asked.length === 1)
  assert.deepEqual(asked, ['kill sg1'])
  // What came of it is said two seconds of the call later; here they pass at once, and an answer that is under way would be said last.
  await watched.sees('.call-said', 'killed: sg1')
  lose(5)
  tell(['killed', 'alive', 'alive'], 'sg1')
  arrive(20)
  tell(['killed', 'alive', 'alive'], 'sg2')
  arrive(100)
  await watched.sees(
    '.call-said',
    'sg1 was killed. It carried the call, which goes on through sg2: 5 of its packets missing or late, 100 ms of silence at most.',
  )
  await watched.sees('.call-has', 'sg2')
  await watched.sees('.call-why', 'one is down already')
  // Where it is not safe the button says why, and does nothing.
  await page.locator('.call-kill').nth(1).focus()
  await page.keyboard.press('Enter')
  tell(['restarting', 'alive', 'alive'], 'sg2')
  await watched.sees('.call-gateway', 'restarting')
  assert.deepEqual(asked, ['kill sg1'])
  await page.locator('.call-others button').first().click()
  await watched.sees('.call-said', 'not in this test')

  await page.setViewportSize({ width: 360, height: 740 })
  await watched.assertNoOverflow()
  assert.deepEqual(
    watched.problems.filter((problem) => !problem.includes('409')),
    [],
  )
})

/** A page that stays in the first second of its life. */
const youngPage = `
  const original = requestAnimationFrame
  window.requestAnimationFrame = (frame) => original(() => frame(500))`

test('a page draws a call that is there within its first second', { skip: chromiumUnavailable() }, async (t) => {
  const { arrive, watched, page } = await opened(t, youngPage)
  arrive(50)
  const drawn = `(() => {
    const trace = document.querySelector('.call-trace')
    // Chromium warns where a canvas that is drawn on is read often.
    const copy = new OffscreenCanvas(trace.width, trace.height).getContext('2d', { willReadFrequently: true })
    copy.drawImage(trace, 0, 0)
    return copy.getImageData(0, 0, trace.width, trace.height).data.some((octet) => octet !== 0)
  })()`
  await eventually('the call is drawn', () => page.evaluate<boolean>(drawn))
  assert.deepEqual(watched.problems, [])
})
