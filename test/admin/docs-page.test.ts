/** The page of the API, run against the real document with as much of a browser as it uses. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { assetRoutes } from '../../src/admin/page-files.ts'
import { adminToken, startAdmin } from './running-admin.ts'

/** An element of a page: what is in it, and what was set on it. */
class StandInElement {
  readonly tagName: string
  readonly attributes = new Map<string, string>()
  readonly children: (StandInElement | string)[] = []
  readonly #listeners = new Map<string, (event: { preventDefault(): void }) => void>()
  value = ''
  hidden = false
  open = false

  constructor(name: string) {
    this.tagName = name.toUpperCase()
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value)
  }

  append(...children: (StandInElement | string)[]): void {
    this.children.push(...children)
  }

  addEventListener(type: string, listener: (event: { preventDefault(): void }) => void): void {
    this.#listeners.set(type, listener)
  }

  dispatch(type: string): void {
    this.#listeners.get(type)?.({ preventDefault: () => undefined })
  }

  get textContent(): string {
    return this.children.map((child) => (typeof child === 'string' ? child : child.textContent)).join('')
  }

  set textContent(text: string) {
    this.children.splice(0, this.children.length, text)
  }

  /** Itself and all in it, in order. */
  all(): StandInElement[] {
    return [this, ...this.children.flatMap((child) => (typeof child === 'string' ? [] : child.all()))]
  }

  find(name: string): StandInElement[] {
    return this.all().filter(({ tagName }) => tagName === name.toUpperCase())
  }
}

const ids = ['token', 'version', 'description', 'settings', 'find', 'operations', 'schemas']

interface Page {
  readonly of: (id: string) => StandInElement
  readonly asked: { readonly path: string; readonly method: string; readonly headers: Headers; readonly body: unknown }[]
}

/** Loads docs.js as a page of the server would. */
async function load(t: TestContext, url: string): Promise<Page> {
  const elements = new Map(ids.map((id) => [id, new StandInElement('div')]))
  const of = (id: string): StandInElement => elements.get(id)!
  const asked: Page['asked'] = []
  const realFetch = globalThis.fetch
  const stand = {
    document: {
      getElementById: (id: string) => elements.get(id) ?? null,
      createElement: (name: string) => new StandInElement(name),
      querySelectorAll: () => [],
    },
    location: { hash: '#token=of-the-address' },
    addEventListener: () => undefined,
    fetch: (path: string, options: RequestInit = {}) => {
      if (path !== '/openapi.json')
        asked.push({ path, method: options.method ?? 'GET', headers: new Headers(options.headers), body: options.body })
      return realFetch(`${url}${path}`, options)
    },
  }
  const before = Object.entries(stand).map(([name]) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  for (const [name, value] of Object.entries(stand)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  t.after(() => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, name)
      else Object.defineProperty(globalThis, name, descriptor)
    }
  })
  await import(new URL(`../../src/admin/page/docs.js?${url}`, import.meta.url).href)
  while (of('schemas').children.length === 0) await new Promise((resolve) => setImmediate(resolve))
  return { of, asked }
}

test('it shows every operation and every schema of the document', async (t) => {
  const { url } = await startAdmin(t)
  const api = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; summary?: string }>>
    components: { schemas: Record<string, unknown> }
  }
  const { of } = await load(t, url)
  assert.equal(of('token').value, 'of-the-address')
  const shown = of('operations')
    .find('details')
    .map((one) => one.attributes.get('id'))
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, { operationId, summary = '' }] of Object.entries(methods)) {
      assert.ok(shown.includes(operationId), operationId)
      const text = of('operations').textContent
      for (const words of [method.toUpperCase(), path, summary]) assert.ok(text.includes(words), words)
    }
  }
  const schemas = of('schemas')
    .find('details')
    .map((one) => one.attributes.get('id'))
  assert.deepEqual(
    schemas,
    Object.keys(api.components.schemas).map((name) => `schema-${name}`),
  )
  for (const link of [of('operations'), of('schemas')].flatMap((one) => one.find('a')))
    assert.ok(schemas.includes((link.attributes.get('href') ?? '').slice(1)), link.textContent)
})

test('an operation can be tried: what was filled in is sent with the token, and the answer is shown', async (t) => {
  const { url, source } = await startAdmin(t)
  const { of, asked } = await load(t, url)
  of('token').value = adminToken
  const transfer = of('operations')
    .find('details')
    .find((one) => one.attributes.get('id') === 'postSessionsIdTransfer')!
  const [form] = transfer.find('form')
  const inputs = new Map(
    form!.find('label').map((label) => [label.find('span')[0]!.textContent, label.find('input')[0] ?? label.find('textarea')[0]!]),
  )
  inputs.get('id')!.value = '7'
  inputs.get('Idempotency-Key')!.value = 'a-key'
  inputs.get('body')!.value = '{ "to": "sg3" }'
  form!.dispatch('submit')
  const [output] = form!.find('pre')
  while (output!.textContent === '…') await new Promise((resolve) => setImmediate(resolve))
  assert.match(output!.textContent, /^200 OK\nEvpc-Index: 41\nX-Request-Id: [0-9a-f-]+\n\n\{\n {2}"owner": "sg3",/)
  assert.deepEqual(source.calls, ['transfer 7 sg3'])
  const [{ path, method, headers }] = asked as [Page['asked'][number]]
  assert.deepEqual(
    [path, method, headers.get('authorization'), headers.get('idempotency-key')],
    ['/v1/sessions/7/transfer', 'POST', `Bearer ${adminToken}`, 'a-key'],
  )
})

test('the page and its files load nothing from elsewhere', async (t) => {
  const { call } = await startAdmin(t)
  for (const path of ['/', '/docs', ...assetRoutes]) {
    const { headers, body } = await call('GET', path, { token: null })
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; script-src 'self'/)
    // A namespace's name is no address of anything.
    assert.doesNotMatch(String(body).replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\/|<style|\sstyle=|<script>|\son[a-z]+=/, path)
  }
})
