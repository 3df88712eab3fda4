/** What an import could not take, each with its place in swanctl.conf and the reason; and the helpers that read settings with it. */

import type { Section, SettingsPlace } from './strongswan-settings.ts'

export interface ImportNote {
  readonly place: SettingsPlace
  /** As in swanctl.conf, for example `connections.rw.children.net.updown`. */
  readonly field: string
  readonly text: string
}

/** `swanctl.conf:12:5 connections.rw.dscp: not supported`. */
export function formatNote({ place: { file, line, column }, field, text }: ImportNote): string {
  return `${file}:${line}:${column} ${field}: ${text}`
}

export type Note = (place: SettingsPlace, field: string, text: string) => void

/** A section's settings while they are translated: what nobody asked for in the end is noted as not supported. */
export class Reading {
  readonly section: Section
  readonly path: string
  readonly #note: Note
  readonly #read = new Set<string>()

  constructor(section: Section, path: string, note: Note) {
    this.section = section
    this.path = path
    this.#note = note
  }

  /** The value; null where there is none, or an empty one. */
  text(key: string): string | null {
    this.#read.add(key)
    const value = this.section.settings.get(key)?.value ?? ''
    return value === '' ? null : value
  }

  /** The values between commas. */
  list(key: string): readonly string[] {
    return splitList(this.text(key) ?? '')
  }

  /** Takes what changes nothing: its value is one of these. Anything else is noted with the reason. */
  ignore(key: string, harmless: readonly string[], reason: string): void {
    const value = this.text(key)
    if (value !== null && !harmless.includes(value)) this.note(key, reason)
  }

  /** As `ignore`, whatever the value. */
  skip(...keys: readonly string[]): void {
    for (const key of keys) this.#read.add(key)
  }

  /** The values of the settings whose names begin so, with each name. */
  all(prefix: string): readonly (readonly [key: string, value: string])[] {
    return [...this.section.settings.keys()]
      .filter((key) => key.startsWith(prefix))
      .flatMap((key) => {
        const value = this.text(key)
        return value === null ? [] : [[key, value] as const]
      })
  }

  /** The names of the sections that begin so. */
  sectionsOf(prefix: string): readonly string[] {
    return [...this.section.sections.keys()].filter((name) => name.startsWith(prefix))
  }

  /** A section of this one. */
  inner(name: string): Reading {
    return new Reading(this.section.sections.get(name)!, `${this.path}.${name}`, this.#note)
  }

  note(key: string, text: string): void {
    this.#note(
      this.section.settings.get(key)?.place ?? this.section.sections.get(key)?.place ?? this.section.place,
      `${this.path}.${key}`,
      text,
    )
  }

  /** Of the section as a whole. */
  refuse(text: string): null {
    this.#note(this.section.place, this.path, text)
    return null
  }

  /** Sections other than `known` and settings that nobody has read. */
  finish(known: (section: string) => boolean = () => false): void {
    for (const [key, { place, value }] of this.section.settings)
      if (!this.#read.has(key) && value !== '') this.#note(place, `${this.path}.${key}`, 'not supported; left out')
    for (const [name, { place }] of this.section.sections)
      if (!known(name)) this.#note(place, `${this.path}.${name}`, 'not supported; left out')
  }
}

export function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** Names for vpn.yaml, made of those in swanctl.conf, which may have other characters. */
export class Names {
  readonly #prefix: string
  readonly #taken = new Map<string, string>()

  /** Every name begins with it; what doesn't gets it. */
  constructor(prefix = '') {
    this.#prefix = prefix
  }

  /** The same for the same. */
  of(name: string): string {
    const known = this.#taken.get(name)
    if (known !== undefined) return known
    const words = name.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '')
    const base = (words.startsWith(this.#prefix) ? words : `${this.#prefix}-${words}`).slice(0, 50) || 'unnamed'
    const taken = [...this.#taken.values()]
    let unique = base
    for (let i = 2; taken.includes(unique); i++) unique = `${base}-${i}`
    this.#taken.set(name, unique)
    return unique
  }
}

const identityTypes: readonly (readonly [prefix: RegExp, write: (rest: string) => string | null])[] = [
  [/^(?:fqdn|dns|email|rfc822|userfqdn|asn1dn|ipv4|ipv6):/, (rest) => rest],
  [/^keyid:/, (rest) => `@#${Buffer.from(rest).toString('hex')}`],
  [/^(?:xmppaddr|asn1gn|ipv4net|ipv6net|ipv4range|ipv6range|[a-z0-9]+#|\{[0-9]+\}):/, () => null],
  [/^@#/, (rest) => `@#${rest}`],
  [/^@@?/, (rest) => rest],
]

/** An identity in the words of vpn.yaml, where its type follows from its form; null: it is of a type that is not supported. */
export function importIdentity(id: string): string | null {
  for (const [prefix, write] of identityTypes) if (prefix.test(id)) return write(id.replace(prefix, ''))
  return id
}
