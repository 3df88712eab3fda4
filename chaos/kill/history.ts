/**
 * What operators asked and were told, with the moments of call and return, and whether that is linearizable: a black box that knows nothing of the log. Pure.
 *
 * A session's owner changes by itself, too (takeovers, drains), but each change has an epoch of its own, that only rises. So whoever is told an owner and an epoch
 * - by a read, or as the outcome of a transfer - may be told it only if nobody was told a higher epoch before he asked, and an epoch has one owner for ever.
 *
 * A member is a register that only operators write, by adding, promoting and removing it: no member, learner, voter.
 */

import type { Model, Operation } from '../sim/linearizability.ts'
import { checkByKey, describeFailure } from '../sim/linearizability.ts'
import type { RegisterInput, RegisterOutput } from '../sim/register.ts'
import { registerModel } from '../sim/register.ts'

export interface OwnerInput {
  readonly type: 'read' | 'transfer'
  readonly session: string
  /** Of a transfer. */
  readonly to?: string
}

export interface Ownership {
  readonly epoch: number
  readonly owner: string
}

export const ownerModel: Model<Ownership, OwnerInput, Ownership> = {
  init: { epoch: -1, owner: '' },
  step(state, _input, output) {
    if (output === null || isSame(state, output)) return state
    return output.epoch > state.epoch ? output : null
  },
  equal: isSame,
  isPure: (_input, output) => output === null,
  hash: ({ epoch }) => epoch,
}

function isSame(a: Ownership, b: Ownership): boolean {
  return a.epoch === b.epoch && a.owner === b.owner
}

export const memberStates = ['none', 'learner', 'voter'] as const
export type MemberState = (typeof memberStates)[number]

export interface Call {
  readonly client: string
  readonly call: number
}

export class History {
  readonly owners: Operation<OwnerInput, Ownership>[] = []
  readonly members: Operation<RegisterInput, RegisterOutput>[] = []

  /** `founders`: voters since before anybody asked. */
  constructor(founders: readonly string[]) {
    for (const id of founders) this.memberWritten({ client: 'founder', call: -2 }, -1, id, 'voter')
  }

  ownerTold({ client, call }: Call, end: number, input: OwnerInput, output: Ownership): void {
    this.owners.push({ client, call, return: end, input, output })
  }

  memberRead({ client, call }: Call, end: number, id: string, state: MemberState): void {
    this.members.push({ client, call, return: end, input: { type: 'read', key: id }, output: memberStates.indexOf(state) })
  }

  /** `end`: Infinity while nobody knows whether it took effect. */
  memberWritten({ client, call }: Call, end: number, id: string, state: MemberState): void {
    const value = memberStates.indexOf(state)
    this.members.push({ client, call, return: end, input: { type: 'write', key: id, value }, output: end === Infinity ? null : value })
  }

  /** What can't be put in order, in words. */
  problems(): string[] {
    const wrongOwner = checkByKey(this.owners, ({ session }) => session, ownerModel)
    const misled = this.owners.filter(({ input, output }) => input.type === 'transfer' && output !== null && output.owner !== input.to)
    const wrongMember = checkByKey(this.members, ({ key }) => key, registerModel)
    return [
      ...(wrongOwner === null ? [] : [`owners: session ${describeFailure(wrongOwner)}`]),
      ...misled.map(({ input, output }) => `a transfer of ${input.session} to ${input.to} was answered with owner ${output?.owner}`),
      ...(wrongMember === null ? [] : [`members: ${describeFailure(wrongMember)}`]),
    ]
  }
}
