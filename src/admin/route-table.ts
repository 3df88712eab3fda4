/** The routes as they were registered: what the OpenAPI document is made of, and what tells a wrong method from a wrong address. */

import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Access } from './access.ts'

/** `path` as registered, with parameters such as `:id`. */
export interface RegisteredRoute {
  readonly method: string
  readonly path: string
  readonly access: Access
  /** A file that a page loads: nobody asks for it by itself. */
  readonly isAsset: boolean
  readonly schema: RouteSchemas
}

/** JSON Schemas; of `response` by status. */
export interface RouteSchemas {
  readonly params?: unknown
  readonly querystring?: unknown
  readonly body?: unknown
  readonly response?: unknown
}

declare module 'fastify' {
  interface FastifyContextConfig {
    isAsset?: boolean
  }
}

export class RouteTable {
  readonly #routes: RegisteredRoute[] = []

  /** Sees every route that is registered from now on. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', (route) => this.#add(route))
  }

  /** Those that HEAD gets by itself, beside its GET, are not among them. */
  get routes(): readonly RegisteredRoute[] {
    return this.#routes.filter(({ method }) => method !== 'HEAD')
  }

  /** The methods that there are at an address, in the order of the alphabet; empty: nothing is there. */
  methodsAt(url: string): readonly string[] {
    const parts = partsOf(url)
    const methods = this.#routes.filter(({ path }) => isAt(partsOf(path), parts)).map(({ method }) => method)
    return methods.length === 0 ? [] : [...new Set([...methods, 'OPTIONS'])].sort()
  }

  #add({ method, url, config, schema }: RouteOptions): void {
    const { access = 'admin', isAsset = false } = config ?? {}
    for (const one of [method].flat()) this.#routes.push({ method: one, path: url, access, isAsset, schema: schema ?? {} })
  }
}

function partsOf(url: string): readonly string[] {
  return url.split('?', 1)[0]!.split('/')
}

function isAt(pattern: readonly string[], parts: readonly string[]): boolean {
  return pattern.length === parts.length && pattern.every((part, i) => (part.startsWith(':') ? parts[i] !== '' : part === parts[i]))
}
