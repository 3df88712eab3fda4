/**
 * The format of strongswan.conf and swanctl.conf (strongswan.conf(5)): sections in braces, `key = value` up to the end of the line, comments
 * behind `#`, quoted strings, `include` with wildcards, and sections that refer to others whose settings they inherit.
 *
 * Everything is bounded, and what is wrong has its place: the file is somebody's who never meant it for us.
 */

export interface SettingsPlace {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export interface Setting {
  readonly value: string
  readonly place: SettingsPlace
}

/** A section with what was included and inherited. In the order of the files; what is inherited comes behind. */
export interface Section {
  readonly place: SettingsPlace
  readonly settings: ReadonlyMap<string, Setting>
  readonly sections: ReadonlyMap<string, Section>
}

/** What is not such a file. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly place: SettingsPlace

  constructor(place: SettingsPlace, expected: string, got: string) {
    super(`${place.file}:${place.line}:${place.column} expected ${expected}, got ${got}`)
    this.place = place
  }
}

export interface SettingsSource {
  /** Throws what the file system does. */
  read(file: string): string
  /** The files that an `include` in `file` names, wildcards expanded; absolute or as `read` takes them. */
  resolve(pattern: string, file: string): readonly string[]
}

export interface Settings {
  readonly root: Section
  /** Absolute names of sections that others refer to: templates. */
  readonly referred: ReadonlySet<string>
}

export const settingsLimits = {
  /** Of one file. */
  characters: 2 ** 20,
  files: 256,
  includeDepth: 10,
  sectionDepth: 16,
  /** Sections and settings, also those that are inherited. */
  items: 100_000,
  /** Sections from the root to the last that is inherited from. */
  inheritance: 64,
  nameLength: 256,
  valueLength: 65_536,
} as const

/** Reads `file` and what it includes. Throws `SettingsError`. */
export function readSettings(file: string, source: SettingsSource): Settings {
  const parser = new Parser(source)
  const root = emptySection({ file, line: 1, column: 1 })
  parser.readFile(file, root, { file, line: 1, column: 1 }, 0, 0)
  return new Inheritance(root, parser.count).resolve()
}

interface OpenSection {
  readonly place: SettingsPlace
  readonly settings: Map<string, Setting>
  readonly sections: Map<string, OpenSection>
  readonly references: { readonly name: string; readonly place: SettingsPlace }[]
}

function emptySection(place: SettingsPlace): OpenSection {
  return { place, settings: new Map(), sections: new Map(), references: [] }
}

/** Counts what is made, so that neither includes nor references make much out of little. */
class Count {
  #items = 0

  add(place: SettingsPlace): void {
    this.#items += 1
    if (this.#items > settingsLimits.items) throw new SettingsError(place, `at most ${settingsLimits.items} sections and settings`, 'more')
  }
}

class Parser {
  readonly count = new Count()
  readonly #source: SettingsSource
  #files = 0

  constructor(source: SettingsSource) {
    this.#source = source
  }

  readFile(file: string, section: OpenSection, from: SettingsPlace, includeDepth: number, sectionDepth: number): void {
    const { files, characters, includeDepth: deepest } = settingsLimits
    this.#files += 1
    if (this.#files > files) throw new SettingsError(from, `at most ${files} files`, 'more')
    if (includeDepth > deepest) throw new SettingsError(from, `includes at most ${deepest} deep`, file)
    let text: string
    try {
      text = this.#source.read(file)
    } catch (error) {
      throw new SettingsError(from, 'a readable file', error instanceof Error ? error.message : String(error))
    }
    if (text.length > characters) throw new SettingsError(from, `a file of at most ${characters} characters`, `${text.length} in ${file}`)
    const scanner = new Scanner(file, text)
    this.#readSection(scanner, section, includeDepth, sectionDepth, false)
  }

  /** Up to the closing brace, or, of a whole file, to its end. */
  #readSection(scanner: Scanner, section: OpenSection, includeDepth: number, depth: number, isBraced: boolean): void {
    if (depth > settingsLimits.sectionDepth) scanner.fail(`sections at most ${settingsLimits.sectionDepth} deep`, 'deeper ones')
    for (;;) {
      scanner.skipSpace()
      const place = scanner.place()
      if (scanner.isAtEnd) {
        if (isBraced) scanner.fail('}', 'the end of the file')
        return
      }
      if (scanner.take('}')) {
        if (!isBraced) throw new SettingsError(place, 'a section or a setting', '}')
        return
      }
      const name = scanner.name()
      if (name === 'include' && scanner.isBlank) this.#include(scanner, section, place, includeDepth, depth)
      else this.#readItem(scanner, section, { name, place }, includeDepth, depth)
    }
  }

  #include(scanner: Scanner, section: OpenSection, place: SettingsPlace, includeDepth: number, depth: number): void {
    const pattern = scanner.value()
    if (pattern === '') throw new SettingsError(place, 'a file behind include', 'nothing')
    let files: readonly string[]
    try {
      files = this.#source.resolve(pattern, place.file)
    } catch (error) {
      throw new SettingsError(place, 'a file behind include', error instanceof Error ? error.message : String(error))
    }
    for (const file of files) this.readFile(file, section, place, includeDepth + 1, depth)
  }

  #readItem(
    scanner: Scanner,
    section: OpenSection,
    { name, place }: { readonly name: string; readonly place: SettingsPlace },
    includeDepth: number,
    depth: number,
  ): void {
    this.count.add(place)
    scanner.skipSpace()
    if (scanner.take('=')) {
      section.settings.set(name, { value: scanner.value(), place })
      return
    }
    const references: { name: string; place: SettingsPlace }[] = []
    if (scanner.take(':')) {
      do {
        scanner.skipSpace()
        const at = scanner.place()
        this.count.add(at)
        references.push({ name: scanner.absoluteName(), place: at })
        scanner.skipSpace()
      } while (scanner.take(','))
    }
    if (!scanner.take('{')) scanner.fail(`= or { behind ${JSON.stringify(name)}`, scanner.next)
    // A section that is there already is gone on with.
    const known = section.sections.get(name)
    const inner = known ?? emptySection(place)
    section.sections.set(name, inner)
    inner.references.push(...references)
    this.#readSection(scanner, inner, includeDepth, depth + 1, true)
  }
}

/** One file's characters. */
class Scanner {
  readonly #file: string
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(file: string, text: string) {
    this.#file = file
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }

  /** Whether a blank comes next. */
  get isBlank(): boolean {
    return /[ \t]/.test(this.#text[this.#at] ?? '')
  }

  /** What comes next, for a message. */
  get next(): string {
    return this.isAtEnd ? 'the end of the file' : JSON.stringify(this.#text[this.#at])
  }

  place(): SettingsPlace {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  fail(expected: string, got: string): never {
    throw new SettingsError(this.place(), expected, got)
  }

  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#step()
    return true
  }

  #step(): void {
    const isNewline = this.#text[this.#at] === '\n'
    this.#at += 1
    if (!isNewline) return
    this.#line += 1
    this.#lineStart = this.#at
  }

  /** Blanks, line ends and comments. */
  skipSpace(): void {
    for (;;) {
      const character = this.#text[this.#at]
      if (character === '#') this.#skipComment()
      else if (character !== undefined && /\s/.test(character)) this.#step()
      else return
    }
  }

  #skipComment(): void {
    while (!this.isAtEnd && this.#text[this.#at] !== '\n') this.#at += 1
  }

  /** Of a section or a setting. */
  name(): string {
    return this.#word(/[.,:{}="#\s]/)
  }

  /** Of a section, from the root on, with dots between. */
  absoluteName(): string {
    return this.#word(/[,:{}="#\s]/)
  }

  #word(end: RegExp): string {
    const start = this.#at
    while (!this.isAtEnd && !end.test(this.#text[this.#at]!)) this.#at += 1
    if (this.#at === start) this.fail('a name', this.next)
    return this.#bounded(this.#text.slice(start, this.#at), settingsLimits.nameLength)
  }

  /** The rest of the line, without blanks around, up to a comment or a closing brace; what was quoted as it is meant. */
  value(): string {
    const parts: string[] = []
    for (;;) {
      while (this.isBlank || this.#text[this.#at] === '\r') this.#at += 1
      const character = this.#text[this.#at]
      if (character === undefined || character === '\n' || character === '}') break
      if (character === '#') {
        this.#skipComment()
        break
      }
      parts.push(character === '"' ? this.#quoted() : this.#plain())
    }
    return this.#bounded(parts.join(' '), settingsLimits.valueLength)
  }

  #plain(): string {
    const start = this.#at
    while (!this.isAtEnd && !/[#}"\s]/.test(this.#text[this.#at]!)) this.#at += 1
    return this.#text.slice(start, this.#at)
  }

  #quoted(): string {
    const start = this.place()
    let text = ''
    this.#step()
    for (;;) {
      const character = this.#text[this.#at]
      if (character === undefined) throw new SettingsError(start, 'a quote at the end of the string', 'the end of the file')
      this.#step()
      if (character === '"') return text
      text += character === '\\' ? this.#escaped() : character
    }
  }

  /** What stands for a character behind a backslash; a line's end behind one is left out. */
  #escaped(): string {
    if (this.#text[this.#at] === '\r' && this.#text[this.#at + 1] === '\n') this.#at += 1
    const character = this.#text[this.#at] ?? ''
    if (character !== '') this.#step()
    return escapes[character] ?? character
  }

  #bounded(text: string, length: number): string {
    return text.length <= length ? text : this.fail(`at most ${length} characters`, `${text.length}`)
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', '\n': '' }

/** Puts what sections inherit into them. An empty value in the inheriting section hides an inherited one. */
class Inheritance {
  readonly #root: OpenSection
  readonly #count: Count
  readonly #done = new Map<OpenSection, Section>()
  readonly #under = new Set<OpenSection>()
  readonly #referred = new Set<string>()

  constructor(root: OpenSection, count: Count) {
    this.#root = root
    this.#count = count
  }

  resolve(): Settings {
    return { root: this.#whole(this.#root), referred: this.#referred }
  }

  #whole(section: OpenSection): Section {
    const known = this.#done.get(section)
    if (known !== undefined) return known
    if (this.#under.has(section)) throw new SettingsError(section.place, 'a section that does not inherit from itself', 'one that does')
    if (this.#under.size > settingsLimits.inheritance)
      throw new SettingsError(section.place, `sections that inherit over at most ${settingsLimits.inheritance} others`, 'more')
    this.#under.add(section)
    const own: Section = {
      place: section.place,
      settings: section.settings,
      sections: new Map([...section.sections].map(([name, inner]) => [name, this.#whole(inner)])),
    }
    const whole = section.references.reduce<Section>(
      (sum, { name, place }) => this.#merged(sum, this.#whole(this.#find(name, place)), place),
      own,
    )
    this.#under.delete(section)
    this.#done.set(section, whole)
    return whole
  }

  #find(name: string, place: SettingsPlace): OpenSection {
    let found: OpenSection | undefined = this.#root
    for (const part of name.split('.')) found = found?.sections.get(part)
    if (found === undefined) throw new SettingsError(place, 'the name of a section of these files', JSON.stringify(name))
    this.#referred.add(name)
    return found
  }

  /** What `section` has counts before what it inherits. */
  #merged(section: Section, inherited: Section, place: SettingsPlace): Section {
    const settings = new Map(section.settings)
    const sections = new Map(section.sections)
    for (const [name, setting] of inherited.settings) {
      this.#count.add(place)
      if (!settings.has(name)) settings.set(name, setting)
    }
    for (const [name, inner] of inherited.sections) {
      this.#count.add(place)
      const own = sections.get(name)
      sections.set(name, own === undefined ? inner : this.#merged(own, inner, place))
    }
    return { place: section.place, settings, sections }
  }
}
