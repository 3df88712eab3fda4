/**
 * Mistakes with clients that move, and with packets that follow their session from gateway to gateway, which the world of gateways must see: texts in
 * compiled modules and what stands in their place, as in log-mutants.ts.
 */

import type { PatchMutant } from './mutation/patch.ts'

export const movementMutants: readonly PatchMutant[] = [
  {
    name: 'a move is answered and not followed (RFC 4555 §3.5)',
    patches: [
      {
        file: 'src/ike/mobility.js',
        find: 'return { ...context, local: request.path.local, remote: request.path.remote, behindNat };',
        replace: 'return { ...context, local: request.path.local, behindNat };',
      },
    ],
  },
  {
    name: 'a move does not outdo where packets came from before it',
    patches: [
      {
        file: 'src/session/exchanges.js',
        find: 'sessions.remote[row] = slab.replace(sessions.remote[row], null)',
        replace: 'void 0',
      },
      // Either alone is right about a client that is behind no NAT any more.
      { file: 'src/session/view.js', find: 'ref === 0 || !context.behindNat', replace: 'ref === 0' },
    ],
  },
  {
    name: "a client's new address is taken for that of whose packets came before",
    patches: [
      {
        file: 'src/gateway/packets.js',
        find: 'session.moved(arrived.remote)',
        replace: '(this.before ?? session).moved(arrived.remote)',
      },
      {
        file: 'src/gateway/packets.js',
        find: 'child.packetsIn += 1;',
        replace: 'child.packetsIn += 1; this.before = this.last === session ? this.before : this.last; this.last = session;',
      },
    ],
  },
  {
    name: 'who takes a session over sends to where its client was first',
    patches: [
      {
        file: 'src/gateway/tenures.js',
        find: 'remote: context.remote,',
        replace:
          'remote: view.takeovers + view.transfers === 0 ? context.remote : (sealer.places ??= new Map()).get(view.session) ?? context.remote,',
      },
      {
        file: 'src/gateway/tenures.js',
        find: 'const { context } = view;',
        replace:
          'const { context } = view; if (view.takeovers + view.transfers === 0 && !(sealer.places ??= new Map()).has(view.session)) sealer.places.set(view.session, context.remote);',
      },
    ],
  },
  {
    name: 'what was held is sent on twice when its session has gone',
    patches: [
      {
        file: 'src/gateway/packets.js',
        find: 'for (const packet of left)\n            this.#forward(route, { ...packet, epoch: 0, hops: 0 });',
        replace: 'for (const packet of [...left, ...left])\n            this.#forward(route, { ...packet, epoch: 0, hops: 0 });',
      },
    ],
  },
  {
    name: 'a packet of a session that is handed over is held, and sent at once as well',
    patches: [
      {
        file: 'src/gateway/packets.js',
        find: "if (session.frozen)\n            return this.#hold(session, { type: 'inner', packet }, nowMs);",
        replace:
          "if (session.frozen) { this.#hold(session, { type: 'inner', packet }, nowMs); session.children.at(-1).ceiling.base > session.children.at(-1).next && this.#send(session.children.at(-1), packet); return; }",
      },
    ],
  },
]
