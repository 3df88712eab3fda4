/** The dashboard's files, read once. They load nothing from elsewhere, and the policy sent with them forbids it (CSP Level 3). */

import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'

const files = [
  { route: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { route: '/page.js', name: 'page.js', type: 'text/javascript; charset=utf-8' },
  { route: '/page.css', name: 'page.css', type: 'text/css; charset=utf-8' },
  { route: '/icon.svg', name: 'icon.svg', type: 'image/svg+xml' },
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

export function addPage(app: FastifyInstance): void {
  for (const { route, name, type } of files) {
    const content = readFileSync(new URL(`./page/${name}`, import.meta.url))
    app.get(route, { config: { access: 'none' } }, async (_request, reply) => {
      reply.header('Content-Security-Policy', contentSecurityPolicy).header('Referrer-Policy', 'no-referrer')
      return reply.type(type).send(content)
    })
  }
}
