/** The dashboard's and the API page's files, read once. They load nothing from elsewhere, and the policy sent with them forbids it (CSP Level 3). */

import { readFileSync, readdirSync } from 'node:fs'
import { extname } from 'node:path'
import type { FastifyInstance } from 'fastify'

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
} as const

/** Where pages are; every other file is an asset of theirs, at its own name. */
const pages: Readonly<Record<string, string>> = { 'index.html': '/', 'docs.html': '/docs' }

/** What there is beside the built server; .ci/finish-build.mjs copies it there. */
const folder = new URL('./page/', import.meta.url)
const files = readdirSync(folder)
  .sort()
  .map((name) => ({ route: pages[name] ?? `/${name}`, name, type: types[extname(name) as keyof typeof types] }))

/** The addresses of the files that pages load. */
export const assetRoutes: readonly string[] = files.map(({ route }) => route).filter((route) => !Object.values(pages).includes(route))

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Of every answer that is no page: whatever it is taken for, it can do nothing in a browser. */
export const apiHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

export function addPages(app: FastifyInstance): void {
  for (const { route, name, type } of files) {
    const content = readFileSync(new URL(name, folder))
    app.get(route, { config: { access: 'none', isAsset: !name.endsWith('.html') } }, async (_request, reply) => {
      return reply.header('Content-Security-Policy', contentSecurityPolicy).type(type).send(content)
    })
  }
}
