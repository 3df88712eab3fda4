/**
 * Brings what is sealed under a former key under the present one, bit by bit, so that neither the log nor an exchange notices: each gateway the sessions that
 * it owns, the leader the configuration. Looks for ever: what an exchange brings back that was decided before the key changed is found in the next round.
 * What does not open here stays as it is, and counts as what is left.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { Sealer, SealingKeyId } from '../kit/sealer.ts'
import { noSealingKey, sealedUnder } from '../kit/sealer.ts'
import type { MapSealed } from '../context/sealed-parts.ts'
import { mapSealed, secretField } from '../context/sealed-parts.ts'
import { encodeSessionContext } from '../context/session-context-codec.ts'
import type { SharedSecret, VpnConfiguration } from '../context/vpn-configuration.ts'
import { encodeVpnConfiguration } from '../context/vpn-configuration-codec.ts'
import type { ResealSessions, ResealVpn } from '../session/commands.ts'
import type { StoredContext } from '../session/sealing.ts'
import { keysOfSessions, scanToReseal, sessionsToReseal } from '../session/sealing.ts'
import type { State } from '../session/state.ts'
import { SingleProposal } from './single-proposal.ts'

export interface ResealingOptions {
  readonly state: State
  readonly sealer: Sealer
  /** As decoded last. */
  readonly vpn: () => { readonly version: number; readonly configuration: VpnConfiguration }
  readonly incarnation: () => number
  readonly isLeader: () => boolean
  readonly propose: (command: ResealSessions | ResealVpn, settled: () => void) => void
}

/** Rows looked at in a tick. */
const ROWS = 1024
/** Sessions in a tick and in a command, one of which is under way at a time: some 100 µs each. */
const SESSIONS = 16
/** Secrets of the configuration in a tick, some 50 µs each. */
const SECRETS = 64

export class Resealing {
  readonly #o: ResealingOptions
  #row = 0
  readonly #proposal: SingleProposal<ResealSessions | ResealVpn>
  /** The configuration under way: its secrets as far as they are sealed anew. */
  #done: { readonly vpn: VpnConfiguration; readonly key: number; readonly secrets: SharedSecret[] } | null = null
  #counted: { readonly vpn: VpnConfiguration; readonly key: number; readonly count: number } | null = null

  constructor(options: ResealingOptions) {
    this.#o = options
    this.#proposal = new SingleProposal(options.propose)
  }

  /** How many sessions, and secrets of the configuration, are not sealed under the present key. */
  get remaining(): number {
    return sessionsToReseal(this.#o.state) + this.#secretsLeft
  }

  /** The keys without which a gateway can't carry what the cluster has, of those that it has agreed on. */
  get needed(): ReadonlySet<SealingKeyId> {
    const { state } = this.#o
    const needed = new Set(keysOfSessions(state))
    if (this.#secretsLeft === 0) return needed
    const { secrets } = this.#o.vpn().configuration
    for (const key of state.sealing.former) if (secrets.some(({ secret }) => sealedUnder(secret) === key)) needed.add(key)
    return needed
  }

  tick(): void {
    if (this.#proposal.isUnderWay || this.#o.state.sealing.current === noSealingKey) return
    this.#sessions()
    if (!this.#proposal.isUnderWay) this.#configuration()
  }

  get #secretsLeft(): number {
    const vpn = this.#o.vpn().configuration
    const { current: key } = this.#o.state.sealing
    if (key === noSealingKey) return 0
    if (this.#counted?.vpn !== vpn || this.#counted.key !== key)
      this.#counted = { vpn, key, count: vpn.secrets.filter(({ secret }) => sealedUnder(secret) !== key).length }
    return this.#counted.count
  }

  #sessions(): void {
    const { state, incarnation } = this.#o
    if (incarnation() === 0 || sessionsToReseal(state) === 0) return
    const { found, next } = scanToReseal(state, incarnation(), this.#row, { rows: ROWS, sessions: SESSIONS })
    this.#row = next
    const sessions = found.flatMap((one) => this.#sealedAnew(one) ?? [])
    if (sessions.length > 0)
      this.#proposal.propose({ type: 'reseal-sessions', incarnation: incarnation(), key: state.sealing.current, sessions })
  }

  /** Null: something of it does not open here, or this gateway does not have the key. */
  #sealedAnew({ session, version, context }: StoredContext): ResealSessions['sessions'][number] | null {
    let isWhole = true
    const next = mapSealed(context, (field, blob) => {
      const sealed = this.#reseal(field, blob)
      isWhole &&= sealed !== null
      return sealed ?? blob
    })
    return isWhole ? { session, version, context: encodeSessionContext(next) } : null
  }

  #reseal(...[field, blob]: Parameters<MapSealed>): Bytes | null {
    const { sealer, state } = this.#o
    const { current } = state.sealing
    if (sealedUnder(blob) === current) return blob
    const plaintext = sealer.open(field, blob)
    const sealed = plaintext === null ? null : sealer.seal(field, plaintext)
    return sealed !== null && sealedUnder(sealed) === current ? sealed : null
  }

  #configuration(): void {
    const { state, isLeader } = this.#o
    const { version, configuration: vpn } = this.#o.vpn()
    if (!isLeader() || this.#secretsLeft === 0) {
      this.#done = null
      return
    }
    const { current: key } = state.sealing
    if (this.#done?.vpn !== vpn || this.#done.key !== key) this.#done = { vpn, key, secrets: [] }
    const { secrets } = this.#done
    for (const one of vpn.secrets.slice(secrets.length, secrets.length + SECRETS))
      secrets.push({ ...one, secret: this.#reseal(secretField(one.name), one.secret) ?? one.secret })
    if (secrets.length < vpn.secrets.length) return
    this.#done = null
    if (secrets.every(({ secret }, i) => secret === vpn.secrets[i]!.secret)) return
    this.#proposal.propose({ type: 'reseal-vpn', key, version, configuration: encodeVpnConfiguration({ ...vpn, secrets }) })
  }
}
