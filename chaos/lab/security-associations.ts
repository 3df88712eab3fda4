/**
 * What a client holds, read from `swanctl --list-sas --raw`: one line for each IKE SA in the notation of strongSwan's VICI,
 *
 *     list-sa event {home {uniqueid=1 version=2 … child-sas {home-1 {name=home … spi-in=60277466 …}}}}
 *
 * sections in braces, lists in brackets, everything else `key=value`, parted by spaces.
 */

import { LabError } from './lab-error.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'

export interface ClientIkeSa {
  /** charon's own number of the SA: a new SA has a new one. */
  readonly uniqueId: string
  readonly state: string
  readonly initiatorSpi: string
  readonly responderSpi: string
  readonly virtualIps: readonly string[]
  readonly children: readonly ClientChildSa[]
}

export interface ClientChildSa {
  readonly uniqueId: string
  readonly state: string
  /** Of the packets that the client receives. */
  readonly spiIn: string
  readonly spiOut: string
}

interface Section {
  readonly [key: string]: string | readonly string[] | Section
}

/** Every IKE SA of the output, none when the client has none. Throws a LabError when the notation is another one. */
export function parseSecurityAssociations(text: string): ClientIkeSa[] {
  return [...text.matchAll(/^list-sa event (\{.*\})$/gm)].flatMap(([, event]) => {
    return sectionsIn(parseSection(event ?? '')).map(([, ikeSa]) => toIkeSa(ikeSa))
  })
}

function toIkeSa(section: Section): ClientIkeSa {
  const children = section['child-sas']
  const virtualIps = section['local-vips']
  return {
    uniqueId: word(section, 'uniqueid'),
    state: word(section, 'state'),
    initiatorSpi: word(section, 'initiator-spi'),
    responderSpi: word(section, 'responder-spi'),
    virtualIps: Array.isArray(virtualIps) ? (virtualIps as readonly string[]) : [],
    children: isSection(children) ? sectionsIn(children).map(([, child]) => toChildSa(child)) : [],
  }
}

function toChildSa(section: Section): ClientChildSa {
  return {
    uniqueId: word(section, 'uniqueid'),
    state: word(section, 'state'),
    spiIn: word(section, 'spi-in'),
    spiOut: word(section, 'spi-out'),
  }
}

function word(section: Section, key: string): string {
  const value = section[key]
  if (typeof value !== 'string') throw new LabError(`swanctl --list-sas --raw: expected ${key}=…, got ${JSON.stringify(value)}`)
  return value
}

function isSection(value: Section[string] | undefined): value is Section {
  return typeof value === 'object' && !Array.isArray(value)
}

function sectionsIn(section: Section): [string, Section][] {
  return Object.entries(section).filter((entry): entry is [string, Section] => isSection(entry[1]))
}

/** Names, opening and closing braces, lists, words. A value with spaces (a distinguished name) keeps only its first word. */
const tokens = /([^\s{}[\]=]+) \{|\{|\}|([^\s{}[\]=]+)=(?:\[([^\]]*)\]|([^\s{}[\]]*))/g

function parseSection(text: string): Section {
  const root: Record<string, Section[string]> = {}
  const open = [root]
  for (const [token, name, key, list, value] of text.matchAll(tokens)) {
    const section = open.at(-1)
    if (section === undefined) throw new LabError('swanctl --list-sas --raw: a closing brace too many')
    if (name !== undefined) {
      const inner: Record<string, Section[string]> = {}
      section[name] = inner
      open.push(inner)
    } else if (token === '{') open.push(section)
    else if (token === '}') open.pop()
    else section[key ?? ''] = list === undefined ? (value ?? '') : list.split(' ').filter((item) => item !== '')
  }
  return root
}

export const SAME_IKE_SA = 'the same IKE SA'
export const SAME_CHILD_SA = 'the same Child SA'

/** The client still holds the SAs that it had, no other, and every one is in use. */
export function checkSameAssociations(before: readonly ClientIkeSa[], after: readonly ClientIkeSa[]): Check[] {
  const ikeSas = { before: before.map(formatIkeSa).join('; '), after: after.map(formatIkeSa).join('; ') }
  const childSas = { before: before.map(formatChildren).join('; '), after: after.map(formatChildren).join('; ') }
  return [
    sameCheck(SAME_IKE_SA, ikeSas, before.length === 1),
    sameCheck(SAME_CHILD_SA, childSas, before.length === 1 && before[0]?.children.length === 1),
  ]
}

function sameCheck(name: string, { before, after }: { readonly before: string; readonly after: string }, isAlone: boolean): Check {
  const isSame = before === after
  if (!isAlone) return check(name, false, `expected exactly one before the fault, had ${before || 'none'}`)
  return check(name, isSame, isSame ? before : `${before} before, ${after || 'none'} after`)
}

function formatIkeSa({ uniqueId, state, initiatorSpi, responderSpi, virtualIps }: ClientIkeSa): string {
  return `#${uniqueId} ${state} ${initiatorSpi}_i ${responderSpi}_r ${virtualIps.join(' ')}`
}

function formatChildren({ children }: ClientIkeSa): string {
  return children.map(({ uniqueId, state, spiIn, spiOut }) => `{${uniqueId}} ${state} ${spiIn}_i ${spiOut}_o`).join(', ')
}
