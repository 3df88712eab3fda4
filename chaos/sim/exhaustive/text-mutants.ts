/**
 * Wrong readings of the rules, as programs: each a text in a compiled module and what stands in its place. H1 to H8 are those of protocol.md.
 */

import type { Patch, PatchMutant } from '../mutation/patch.ts'

const ownership = 'src/session/ownership.js'
const derive = 'src/session/derive.js'
const incarnations = 'src/session/incarnations.js'
const exchanges = 'src/session/exchanges.js'
const control = 'src/gateway/control.js'
const transfers = 'src/gateway/transfers.js'
const packets = 'src/gateway/packets.js'

/** An exchange is taken whatever its version. */
const anyVersion: Patch = {
  file: exchanges,
  find: 'checkOwner(state, command.session, command.incarnation, command.epoch, command.version);\n    if (reason !== null)\n        return refused(reason);\n    advanceClock(state, command.nowMs);\n    const ike',
  replace:
    'checkOwner(state, command.session, command.incarnation, command.epoch, null);\n    if (reason !== null)\n        return refused(reason);\n    advanceClock(state, command.nowMs);\n    const ike',
}

/** An exchange is taken whatever its Message ID. */
const anyMessageId: Patch = { file: exchanges, find: 'return ikes.expectedRequest[ike] === command.messageId;', replace: 'return true;' }

export const textMutants: readonly PatchMutant[] = [
  {
    name: 'H1 literal: a horizon is what its record says, also where that is less than what is in force',
    patches: [
      {
        file: ownership,
        find: 'Math.max(part.horizon.wanted, limitAt(children.horizon(child), tick, maximum))',
        replace: 'part.horizon.wanted',
      },
    ],
  },
  {
    name: 'H1 literal: the same of a ceiling',
    patches: [
      {
        file: ownership,
        find: 'Math.max(part.ceiling.wanted, limitAt(children.ceiling(child), tick, maximum))',
        replace: 'part.ceiling.wanted',
      },
    ],
  },
  {
    name: 'H2 tickback: a late tick sets the tick back',
    patches: [
      {
        file: ownership,
        find: 'incarnation.tick = Math.max(incarnation.tick, command.tick)',
        replace: 'incarnation.tick = command.tick > 0 ? command.tick : incarnation.tick',
      },
    ],
  },
  {
    name: 'H2 deadtick: the tick of an ended incarnation still counts',
    patches: [{ file: ownership, find: 'if (!incarnation?.up)', replace: 'if (incarnation === undefined)' }],
  },
  {
    name: "H3 norebase: a takeover goes on with the ended incarnation's tick",
    patches: [
      {
        file: derive,
        find: 'firstCeiling(start, ceiling.rate, tick, maximum)',
        replace: 'firstCeiling(start, ceiling.rate, ceiling.tick, maximum)',
      },
      {
        file: derive,
        find: 'firstHorizon(highest, horizon.rate, tick, maximum)',
        replace: 'firstHorizon(highest, horizon.rate, horizon.tick, maximum)',
      },
    ],
  },
  {
    name: 'H4 redown: a second GatewayDown applies again',
    patches: [
      {
        file: incarnations,
        find: 'if (!incarnation?.up)\n            return false;',
        replace: 'if (incarnation === undefined)\n            return false;',
      },
    ],
  },
  {
    name: 'H5 anyrecord: any record lifts the stop',
    patches: [{ file: 'src/gateway/packets/owned-session.js', find: 'if (serial > this.stopSerial)', replace: 'if (serial > 0)' }],
  },
  {
    name: 'H6 xfloor: a transfer does not keep the floor',
    patches: [
      {
        file: ownership,
        find: 'children.start[child] = part.next;',
        replace: 'children.start[child] = part.next; children.floor[child] = 0;',
      },
    ],
  },
  {
    name: 'H7 jump: after a snapshot an owner goes on, whenever its tenure began',
    patches: [
      { file: control, find: 'this.#appliedIndex = index;\n        this.#forgetAll();', replace: 'this.#appliedIndex = index;' },
      {
        file: control,
        find: 'this.#wallMs = wallMs;\n        this.#propose(this.#gatewayUp());',
        replace:
          'this.#wallMs = wallMs;\n        if (this.#incarnation !== 0 && this.state.incarnations.isUp(this.#incarnation)) return this.#tenures.goOn();\n        this.#forgetAll();\n        this.#propose(this.#gatewayUp());',
      },
      {
        file: 'src/gateway/tenures.js',
        find: 'get installedCount() {',
        replace:
          'goOn() {\n        for (const session of [...this.#installed.keys()]) this.refresh(session);\n    }\n    get installedCount() {',
      },
      { file: packets, find: 'known !== undefined && known.since === install.since', replace: 'known !== undefined' },
    ],
  },
  {
    name: 'H8 noreup: a live process that was declared down does not come up anew',
    patches: [{ file: control, find: 'this.#comeUpAnew();\n            return;', replace: 'this.#forgetAll();\n            return;' }],
  },
  {
    name: 'H8 orphan: GatewayUp does not adopt what has no successor',
    patches: [{ file: incarnations, find: 'this.#adoptOrphans(risen, pass);', replace: '' }],
  },
  {
    name: 'noepoch: a grant is taken whatever its epoch (rule 6)',
    patches: [
      {
        file: ownership,
        find: 'checkOwner(state, record.session, incarnation, record.epoch, null)',
        replace: 'checkOwner(state, record.session, incarnation, -1, null)',
      },
      {
        file: ownership,
        find: 'if (state.sessions.epoch[row] !== epoch)',
        replace: 'if (epoch !== -1 && state.sessions.epoch[row] !== epoch)',
      },
    ],
  },
  {
    name: 'noserial: a grant is taken whatever its serial (rule 6)',
    patches: [{ file: ownership, find: 'if (record.serial <= sessions.serial[row])', replace: 'if (record.serial < 0)' }],
  },
  {
    name: 'notarget: a transfer to an incarnation that is down is taken (rule 7, R6)',
    patches: [{ file: ownership, find: 'target?.up ?', replace: 'target ?' }],
  },
  {
    name: 'noversion: an exchange is taken whatever its version (rule 9)',
    patches: [anyVersion],
  },
  {
    name: 'nomid: an exchange is taken whatever its version and Message ID (rule 9)',
    patches: [anyVersion, anyMessageId],
  },
  {
    name: 'twoexchanges: two exchanges of a session are under way, and the version is not looked at (rules 9 and 14)',
    patches: [
      anyVersion,
      anyMessageId,
      { file: 'src/gateway/ike/pending-exchanges.js', find: 'return this.#pending.has(session);', replace: 'return false;' },
    ],
  },
  {
    name: 'early: a response leaves before it is committed (rule 14)',
    patches: [
      {
        file: 'src/gateway/ike-exchanges.js',
        find: 'this.#pending.begin(session, pending);',
        replace:
          "this.#pending.begin(session, pending);\n        if (reply.type === 'datagrams') this.#o.send(pending.arrival.path.local, pending.arrival.path.remote, reply.datagrams);",
      },
    ],
  },
  {
    name: 'oldplace: a move is answered and not followed (RFC 4555 §3.5)',
    patches: [
      {
        file: 'src/ike/mobility.js',
        find: 'return { ...context, local: request.path.local, remote: request.path.remote, behindNat };',
        replace: 'return { ...context, local: request.path.local, behindNat };',
      },
    ],
  },
  {
    name: 'oldnext: a takeover sends from where the last tenure began (rule 5)',
    patches: [{ file: derive, find: 'children.start[child] = start;', replace: '' }],
  },
  {
    name: 'nofloor: a takeover does not raise the floor (rule 5)',
    patches: [
      { file: derive, find: 'children.floor[child] = highest;', replace: '' },
      { file: derive, find: 'children.highest[child] = highest;', replace: '' },
    ],
  },
  {
    name: 'nostop: a shrink is proposed without a stop (rule 12)',
    patches: [{ file: 'src/gateway/packets/grant-keeper.js', find: 'child.stopAt(to, first.serial);', replace: '' }],
  },
  {
    name: 'nospan: growth does not stop (rule 1)',
    patches: [{ file: 'src/context/grants.js', find: 'Math.min(tick - grant.tick, SPAN_TICKS)', replace: 'tick - grant.tick' }],
  },
  {
    name: 'overceiling: numbers are sent beyond the ceiling (rule 11)',
    patches: [
      {
        file: 'src/gateway/packets/owned-session.js',
        find: 'return !this.session.frozen && this.next < limitAt(this.ceiling, tick, this.maximum);',
        replace: 'return !this.session.frozen;',
      },
    ],
  },
  {
    name: 'overhorizon: numbers are accepted beyond the horizon (rule 11)',
    patches: [
      {
        file: 'src/gateway/packets/owned-session.js',
        find: 'return sequence <= Math.min(limitAt(this.horizon, tick, this.maximum), this.stop);',
        replace: 'return true;',
      },
    ],
  },
  {
    name: 'replay: numbers are accepted again (RFC 4303 §3.4.3)',
    patches: [
      {
        file: 'src/esp/replay-window.js',
        find: 'return (this.#blocks[blockOf(sequence) % BLOCKS] & (1 << (sequence & 31))) === 0;',
        replace: 'return true;',
      },
    ],
  },
  {
    name: 'resume: a transfer that takes long is given up, and the owner goes on (rule 13)',
    patches: [
      {
        file: transfers,
        find: "leaving.stage = 'reclaiming';",
        replace:
          "this.#leaving.delete(session); this.#o.toPackets({ type: 'unfreeze', session, epoch: leaving.epoch }); if (leaving) return;",
      },
    ],
  },
  {
    name: 'nofreeze: a session that is handed over goes on sending and accepting (rule 13)',
    patches: [{ file: packets, find: 'session.frozen = true;', replace: '' }],
  },
  {
    name: 'frozenreclaim: a Reclaim leaves the session frozen (rule 10)',
    patches: [
      {
        file: 'src/gateway/packets/owned-session.js',
        find: 'this.epoch = epoch;\n        this.frozen = false;',
        replace: 'this.epoch = epoch;',
      },
    ],
  },
  {
    name: 'sameincarnation: a process that starts goes on as the incarnation that the log knows (rule 2)',
    patches: [
      {
        file: control,
        find: 'this.#wallMs = wallMs;\n        this.#propose(this.#gatewayUp());',
        replace:
          'this.#wallMs = wallMs;\n        const own = this.state.incarnations.current(this.#o.self);\n        if (own === undefined) return this.#propose(this.#gatewayUp());\n        this.#incarnation = own.number;\n        this.#tenures.begin(own.number);\n        this.#ike.begin(own.number, null);\n        this.#transfers.begin(own.number);',
      },
    ],
  },
]
