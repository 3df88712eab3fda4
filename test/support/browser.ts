/** Debian's Chromium, without a window, as the one who looks at the dashboard. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

const executablePath = '/usr/bin/chromium'

/** Why there is no browser here, or false. With `EVPC_NEEDS_CHROMIUM` set that is an error instead: CI must not pass without it. */
export function chromiumUnavailable(): string | false {
  if (existsSync(executablePath)) return false
  const reason = "needs Debian's package chromium: .ci/debian-packages chromium '' chromium"
  if (process.env['EVPC_NEEDS_CHROMIUM'] !== undefined) throw new Error(reason)
  return reason
}

/** Without a sandbox of its own, which root can't have, nor a user without privileges where namespaces are forbidden. It only ever opens our own pages. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}

/** A page, and what went wrong in it. */
export class Watched {
  readonly page: Page
  /** Messages of errors, as the browser's console shows them; requests elsewhere; what the page's policy forbade. */
  readonly problems: string[] = []
  readonly #origin: string
  readonly #expected: readonly RegExp[]

  /** `expected`: addresses of this gateway that may answer with an error, which the console tells. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
    expected: readonly RegExp[] = [],
  ): Promise<Watched> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options })
    return new Watched(page, new URL(url).origin, expected)
  }

  private constructor(page: Page, origin: string, expected: readonly RegExp[]) {
    this.page = page
    this.#origin = origin
    // A gateway alone has no demo.
    this.#expected = [/\/demo\/status$/, ...expected]
    page.on('pageerror', (error) => this.problems.push(String(error.stack)))
    page.on('console', (message) => {
      const { url } = message.location()
      const isAnswer = message.text().startsWith('Failed to load resource')
      if (isAnswer && this.#expected.some((pattern) => pattern.test(url))) return
      if (message.type() === 'error' || message.type() === 'warning') this.problems.push(`${message.text()} (${url})`)
    })
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== this.#origin) this.problems.push(`asks ${request.url()}`)
    })
  }

  /** The text of an element once it matches. */
  async sees(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector, { hasText: text }).first().waitFor()
  }

  async assertNoOverflow(): Promise<void> {
    const [scroll = 0, inner = 0] = await this.page.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]')
    assert.ok(scroll <= inner, `${this.page.url()}: ${scroll} px wide in a window of ${inner} px`)
  }

  /** What has the focus: its id or its words. */
  async focused(): Promise<string> {
    const script = `(() => { const at = document.activeElement; return at.id || at.getAttribute('aria-label') || at.value || at.textContent.trim() })()`
    return this.page.evaluate<string>(script)
  }

  /** Goes by Tab from where the focus is until it is at `wanted`; gives what had it on the way. Throws when a hundred steps don't lead there. */
  async tabTo(wanted: string): Promise<readonly string[]> {
    const way: string[] = []
    while (way.at(-1) !== wanted) {
      assert.ok(way.length < 100, `Tab does not lead to ${wanted}: ${way.join(', ')}`)
      await this.page.keyboard.press('Tab')
      way.push(await this.focused())
      assert.equal(await this.page.evaluate(isFocusSeen), true, `it is not seen that ${way.at(-1)} has the focus`)
    }
    return way
  }

  assertNoProblems(): void {
    assert.deepEqual(this.problems, [])
  }
}

/** By its own outline, or that of what stands for it. */
const isFocusSeen = `[document.activeElement, document.activeElement.nextElementSibling].some((one) => one !== null && getComputedStyle(one).outlineStyle !== 'none')`

/** A browser until the test ends. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  return browser
}
