/** The dashboard's and the API page's files, read once. They load nothing from elsewhere, and the policy sent with them forbids it (CSP Level 3). */

import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'

const files = [
  { route: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { route: '/page.js', name: 'page.js', type: 'text/javascript; charset=utf-8' },
  { route: '/page.css', name: 'page.css', type: 'text/css; charset=utf-8' },
  { route: '/icon.svg', name: 'icon.svg', type: 'image/svg+xml' },
  { route: '/docs', name: 'docs.html', type: 'text/html; charset=utf-8' },
  { route: '/docs.js', name: 'docs.js', type: 'text/javascript; charset=utf-8' },
  { route: '/docs.css', name: 'docs.css', type: 'text/css; charset=utf-8' },
] as const

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
    const content = readFileSync(new URL(`./page/${name}`, import.meta.url))
    app.get(route, { config: { access: 'none', isAsset: !name.endsWith('.html') } }, async (_request, reply) => {
      return reply.header('Content-Security-Policy', contentSecurityPolicy).type(type).send(content)
    })
  }
}
