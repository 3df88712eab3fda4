/** What a client holds after something that may have replaced its SAs: what was to be replaced is new, and the rest is what it was. */

import type { Check } from './check.ts'
import { check } from './check.ts'
import type { ClientChildSa, ClientIkeSa } from './security-associations.ts'

/** What was replaced; nothing unless told. */
export interface Renewal {
  readonly ike?: boolean
  readonly child?: boolean
}

export const SAME_VIRTUAL_ADDRESS = 'the virtual address is the same'

/**
 * One IKE SA with so many Child SAs, all in use. New is what has nothing of the old, neither charon's number nor an SPI of either side; the
 * same is what has all of it. A Child SA may have come that was not there before, and none may have gone.
 */
export function checkRenewedAssociations(
  before: readonly ClientIkeSa[],
  after: readonly ClientIkeSa[],
  renewal: Renewal,
  children = 1,
): Check[] {
  const [old] = before
  const [now] = after
  const isAlone = before.length === 1 && after.length === 1
  if (!isAlone || old === undefined || now === undefined || old.children.length === 0) {
    const shown = `${JSON.stringify(before)} before, ${JSON.stringify(after)} after`
    return [check('one IKE SA with a Child SA before, one IKE SA after', false, shown)]
  }
  return [
    checkInUse(now, children),
    renewed('the IKE SA', [numbersOfIke(old)], [numbersOfIke(now)], renewal.ike === true),
    renewed('the Child SA', old.children.map(numbersOfChild), now.children.map(numbersOfChild), renewal.child === true),
    check(
      SAME_VIRTUAL_ADDRESS,
      old.virtualIps.join() === now.virtualIps.join(),
      `${old.virtualIps.join(', ')} before, ${now.virtualIps.join(', ')} after`,
    ),
  ]
}

function checkInUse({ state, children }: ClientIkeSa, expected: number): Check {
  const states = children.map((child) => child.state)
  const isOk = state === 'ESTABLISHED' && states.length === expected && states.every((one) => one === 'INSTALLED')
  return check(
    `the IKE SA and ${expected} Child SA${expected === 1 ? '' : 's'} are in use`,
    isOk,
    `${state}; ${states.join(', ') || 'none'}`,
  )
}

/** One SA's number and SPIs, in a fixed order. */
type Numbers = readonly string[]

function numbersOfIke({ uniqueId, initiatorSpi, responderSpi }: ClientIkeSa): Numbers {
  return [uniqueId, initiatorSpi, responderSpi]
}

function numbersOfChild({ uniqueId, spiIn, spiOut }: ClientChildSa): Numbers {
  return [uniqueId, spiIn, spiOut]
}

function renewed(what: string, before: readonly Numbers[], after: readonly Numbers[], isNew: boolean): Check {
  const isSame = (old: Numbers): boolean => after.some((now) => now.every((number, i) => number === old[i]))
  const hasNothingOf = (old: Numbers): boolean => after.every((now) => now.every((number, i) => number !== old[i]))
  const shown = (all: readonly Numbers[]): string => all.map((numbers) => numbers.join(' ')).join('; ')
  return check(
    `${what} is ${isNew ? 'a new one' : 'the same'}`,
    before.every(isNew ? hasNothingOf : isSame),
    `${shown(before)} before, ${shown(after)} after`,
  )
}
