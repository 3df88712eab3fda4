/** The cluster's sealing key as operators see and change it, at any gateway. */

import type { SealingKeyChange, SealingKeySource, SealingKeyView } from '../../admin/sealing-key-routes.ts'
import type { LogStatus } from '../../context/log-status.ts'
import type { Control } from '../../gateway/control.ts'
import { CodedError } from '../../kit/errors.ts'
import type { SealingKeyId } from '../../kit/sealer.ts'
import { formatSealingKeyId, noSealingKey, parseSealingKeyId } from '../../kit/sealer.ts'
import type { Command } from '../../session/commands.ts'
import type { Result } from '../../session/results.ts'

export interface SealingKeyCommandsOptions {
  readonly control: Pick<Control, 'state' | 'toReseal' | 'sealingKeysOf'>
  readonly sealing: { readonly ids: readonly SealingKeyId[]; readonly present: SealingKeyId }
  readonly members: () => readonly Pick<LogStatus['members'][number], 'id'>[]
  readonly propose: (command: Command) => Promise<Result>
  /** Another key is in force because somebody asked for it here. */
  readonly changed: (key: SealingKeyId, previous: SealingKeyId) => void
}

export class SealingKeyCommands implements SealingKeySource {
  readonly #o: SealingKeyCommandsOptions

  constructor(options: SealingKeyCommandsOptions) {
    this.#o = options
  }

  sealingKey(): SealingKeyView {
    const { control, members } = this.#o
    const gateways = members().map(({ id }) => ({ id, keys: control.sealingKeysOf(id)?.map(formatSealingKeyId) ?? null }))
    const { id: current, previous, remaining } = this.#change()
    return { current, previous, remaining, gateways: gateways.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
  }

  async changeSealingKey(wanted: string | null): Promise<SealingKeyChange> {
    const { control } = this.#o
    const { current } = control.state.sealing
    this.#insistOnAgreement()
    const to = wanted === null ? this.#onlyNew() : parseSealingKeyId(wanted)!
    if (to === current) return this.#change()
    this.#insistOnEnd(to)
    this.#insistOnMembers(to)
    const result = await this.#o.propose({ type: 'set-sealing-key', from: current, to })
    if (result.type === 'refused') throw new CodedError('ERR_CONFLICT', 'somebody else has changed the sealing key meanwhile')
    this.#o.changed(to, current)
    return this.#change()
  }

  #change(): SealingKeyChange {
    const { control, sealing } = this.#o
    const { current, former } = control.state.sealing
    return {
      id: formatSealingKeyId(current === noSealingKey ? sealing.present : current),
      previous: former.length === 0 ? null : formatSealingKeyId(former[0]!),
      remaining: control.toReseal,
    }
  }

  /** Before the members have agreed on a first one, there is none that another could take the place of. */
  #insistOnAgreement(): void {
    const { control, sealing } = this.#o
    if (control.state.sealing.current !== noSealingKey) return
    const { clusterVersion } = control.state
    if (clusterVersion < 2)
      throw new CodedError(
        'ERR_CONFLICT',
        `a gateway of an older build is a member: ${this.#silent().join(', ')}; ask again when all are upgraded`,
      )
    this.#insistOnMembers(sealing.present)
    throw new CodedError('ERR_CONFLICT', 'the gateways are about to agree on the key that they have; ask again')
  }

  #silent(): readonly string[] {
    const silent = this.#o.members().filter(({ id }) => this.#o.control.sealingKeysOf(id) === null)
    return silent.length === 0 ? ['which one is not known yet'] : silent.map(({ id }) => id)
  }

  #onlyNew(): SealingKeyId {
    const { current, former } = this.#o.control.state.sealing
    const fresh = this.#o.sealing.ids.filter((id) => id !== current && !former.includes(id))
    const [only] = fresh
    if (only === undefined)
      throw new CodedError(
        'ERR_CONFLICT',
        'this gateway has no new sealing key; "evpc pki sealing-key" adds one to a file, and every gateway needs it',
      )
    if (fresh.length > 1) throw new CodedError('ERR_CONFLICT', `there are several new sealing keys: ${namesOf(fresh)}; say which`)
    return only
  }

  /** Only the way back is open while something is still sealed under the former key: else there would be three. */
  #insistOnEnd(to: SealingKeyId): void {
    const { control } = this.#o
    const [previous] = control.state.sealing.former
    if (control.toReseal === 0 || previous === undefined || to === previous) return
    throw new CodedError(
      'ERR_CONFLICT',
      `${control.toReseal} sessions and secrets are still sealed under ${formatSealingKeyId(previous)}; ask again when nothing remains`,
    )
  }

  #insistOnMembers(key: SealingKeyId): void {
    const { control } = this.#o
    const without = this.#o.members().flatMap(({ id }) => {
      const keys = control.sealingKeysOf(id)
      if (keys?.includes(key) === true) return []
      if (keys !== null) return [`${id} has ${namesOf(keys)}`]
      return [control.state.incarnations.current(id) === undefined ? `${id} is down` : `${id} has not said yet which it has`]
    })
    if (without.length === 0) return
    throw new CodedError(
      'ERR_CONFLICT',
      `not all members are known to have the sealing key ${formatSealingKeyId(key)}: ${without.join(', ')}`,
    )
  }
}

function namesOf(keys: readonly SealingKeyId[]): string {
  return keys.map(formatSealingKeyId).join(' and ')
}
