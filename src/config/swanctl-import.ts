/**
 * A strongSwan gateway's swanctl.conf as a vpn.yaml. What is the same here is taken, what differs harmlessly is left out with a note, and what
 * would let somebody in whom the original did not, or could not work, is refused with the reason. Whatever the rules of vpn.yaml still
 * object to is left out, too: the result passes `evpc check`.
 */

import { dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import { parseRange } from '../context/address.ts'
import type { Problem } from './problem.ts'
import type { Section, SettingsPlace, SettingsSource } from './strongswan-settings.ts'
import { readSettings } from './strongswan-settings.ts'
import type { ImportedConnection } from './swanctl-connections.ts'
import { importConnection } from './swanctl-connections.ts'
import type { ImportFiles, ImportedAuthority, ImportedSecret } from './swanctl-credentials.ts'
import { SwanctlFolders, importAuthorities, importSecrets, subjectOf } from './swanctl-credentials.ts'
import type { ImportNote, Note } from './swanctl-notes.ts'
import { Names, Reading } from './swanctl-notes.ts'
import { parseVpn } from './vpn-config.ts'

export interface SwanctlSource extends SettingsSource {
  readonly files: ImportFiles
  /** What the times of certificates are compared with: wall-clock ms. */
  readonly nowMs: number
}

export interface Imported {
  /** A vpn.yaml. */
  readonly yaml: string
  readonly connections: number
  /** By file and place. */
  readonly notes: readonly ImportNote[]
}

/** Throws `SettingsError` where `file` or what it includes can't be read. */
export function importSwanctl(file: string, source: SwanctlSource): Imported {
  return new SwanctlImport(file, source).run()
}

type PoolKeys = 'addrs' | 'dns' | 'nbns' | 'subnet' | 'domains'

interface Vpn {
  readonly connections: Record<string, ImportedConnection>
  readonly pools: Record<string, Partial<Record<PoolKeys, readonly string[]>>>
  readonly secrets: Record<string, ImportedSecret>
  readonly authorities: Record<string, ImportedAuthority>
}

type Kind = keyof Vpn
const kinds: readonly Kind[] = ['connections', 'pools', 'secrets', 'authorities']

/** Keys of a connection or of a child that may be left out where their value is of no use, since nobody is let in by them. */
const dispensable = new Set(
  (
    'unique childless fragmentation mobike rekey_time over_time rand_time dpd_delay life_time ' +
    'rekey_bytes life_bytes rand_bytes rekey_packets life_packets rand_packets'
  ).split(' '),
)

class SwanctlImport {
  readonly #file: string
  readonly #source: SwanctlSource
  readonly #folders: SwanctlFolders
  readonly #notes: ImportNote[] = []
  readonly #vpn: Vpn = { connections: {}, pools: {}, secrets: {}, authorities: {} }
  /** `connections.NAME` of vpn.yaml and so on → where it is from. */
  readonly #origins = new Map<string, { readonly place: SettingsPlace; readonly field: string }>()
  readonly #poolNames = new Names()

  constructor(file: string, source: SwanctlSource) {
    this.#file = file
    this.#source = source
    this.#folders = new SwanctlFolders(dirname(resolve(file)), source.files)
  }

  run(): Imported {
    const { root, referred } = readSettings(this.#file, this.#source)
    const of = (kind: Kind): Section | undefined => root.sections.get(kind)
    this.#importPools(of('pools'))
    for (const { name, section, secret } of importSecrets(of('secrets'), this.#folders, this.#note)) {
      this.#add('secrets', name, section, `secrets.${name}`)
      this.#vpn.secrets[name] = secret
    }
    this.#importConnections(of('connections'))
    this.#importAuthorities(of('authorities'))
    for (const [name, { place }] of root.sections)
      if (!kinds.some((kind) => kind === name) && !referred.has(name)) this.#note(place, name, 'left out: no section of swanctl.conf')
    for (const [name, { place }] of root.settings) this.#note(place, name, 'left out: no setting of swanctl.conf')
    const yaml = this.#passCheck()
    const notes = [...this.#notes].sort(({ place: a }, { place: b }) => {
      return a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1
    })
    return { yaml, connections: Object.keys(this.#vpn.connections).length, notes }
  }

  readonly #note: Note = (place, field, text) => {
    this.#notes.push({ place, field, text })
  }

  #add(kind: Kind, name: string, section: Section | null, field: string): void {
    this.#origins.set(`${kind}.${name}`, { place: section?.place ?? { file: this.#file, line: 1, column: 1 }, field })
  }

  // ---- sections

  #importPools(section: Section | undefined): void {
    for (const [written, inner] of section?.sections ?? []) {
      const reading = new Reading(inner, `pools.${written}`, this.#note)
      const addrs = reading.list('addrs')
      if (addrs.length === 0) {
        reading.refuse('left out: it has no addresses')
        continue
      }
      const name = this.#poolNames.of(written)
      const [dns, nbns] = [reading.list('dns'), reading.list('nbns')]
      // Of a single address swanctl means a network of one.
      const subnet = reading
        .list('subnet')
        .map((one) => (one.includes('/') || parseRange(one) === null ? one : `${one}/${one.includes(':') ? 128 : 32}`))
      const domains = reading.list('25')
      reading.finish()
      this.#add('pools', name, inner, reading.path)
      this.#vpn.pools[name] = { addrs, ...unlessEmpty({ dns, nbns, subnet, domains }) }
    }
  }

  #importConnections(section: Section | undefined): void {
    const names = new Names()
    for (const [written, inner] of section?.sections ?? []) {
      const connection = importConnection(written, inner, this.#note)
      if (connection === null) continue
      const reading = new Reading(inner, `connections.${written}`, this.#note)
      const missing = connection.pools.filter((pool) => section === undefined || this.#vpn.pools[this.#poolNames.of(pool)] === undefined)
      if (missing.length > 0) reading.note('pools', `${missing.join(', ')} left out: no pool of this file`)
      const pools = connection.pools.filter((pool) => !missing.includes(pool)).map((pool) => this.#poolNames.of(pool))
      if (pools.length === 0) {
        reading.refuse('left out: evpc gives every client an address of a pool, and none of its pools could be taken')
        continue
      }
      const local = connection.local.auth === 'psk' ? connection.local : this.#ownCertificates(reading, connection.local)
      if (local === null) continue
      const { remote, children } = connection
      const cacerts = remote.cacerts?.map((file) => this.#folders.path('x509ca', file))
      const name = names.of(written)
      this.#add('connections', name, inner, reading.path)
      const childNames = new Names()
      this.#vpn.connections[name] = {
        ...connection,
        pools,
        local,
        remote: { ...remote, ...(cacerts === undefined ? {} : { cacerts }) },
        children: Object.fromEntries(Object.entries(children).map(([child, value]) => [childNames.of(child), value])),
      }
    }
  }

  /** The files of its certificates, and as secrets those of their keys. */
  #ownCertificates(reading: Reading, local: ImportedConnection['local']): ImportedConnection['local'] | null {
    const certs = (local.certs ?? []).map((file) => this.#folders.path('x509', file))
    let subject: string | null = null
    for (const file of certs) {
      const certificate = this.#folders.certificate(file)
      if (certificate === null) return reading.refuse(`left out: there is no certificate in ${file}. Import where the gateway's files are`)
      const key = this.#folders.keyOf(certificate)
      if (key === null)
        return reading.refuse(`left out: the key of ${file} is in no file of private, rsa, ecdsa and pkcs8, or does not open`)
      subject ??= subjectOf(certificate)
      this.#addKey(key)
    }
    const id = local.id ?? subject
    return id === null ? reading.refuse('left out: local.id says who the gateways are, and is needed') : { ...local, id, certs }
  }

  readonly #keyNames = new Names('private')

  #addKey({ file, passphrase }: { readonly file: string; readonly passphrase: string | null }): void {
    const words = file
      .split('/')
      .at(-1)!
      .replace(/\.[^.]*$/, '')
    const name = this.#keyNames.of(`private-${words}`)
    this.#add('secrets', name, null, name)
    this.#vpn.secrets[name] = { file, ...(passphrase === null ? {} : { secret: passphrase }) }
  }

  #importAuthorities(section: Section | undefined): void {
    const isNeeded = Object.values(this.#vpn.connections).some(({ remote }) => remote.auth === 'pubkey')
    for (const { name, section: inner, authority } of importAuthorities(section, this.#folders, this.#note)) {
      if (inner === null && !isNeeded) continue
      this.#add('authorities', name, inner, `authorities.${name}`)
      this.#vpn.authorities[name] = authority
    }
  }

  // ---- what evpc check says

  /** Leaves out what it objects to, until it does not. Each round leaves something out. */
  #passCheck(): string {
    for (;;) {
      const yaml = this.#yaml()
      const checked = parseVpn(yaml, 'vpn.yaml', (_field, secret) => secret, {
        read: (name) => this.#source.files.read(name),
        nowMs: this.#source.nowMs,
      })
      if (checked.ok) return yaml
      const before = yaml.length
      for (const problem of checked.problems) this.#leaveOut(problem)
      if (this.#yaml().length === before)
        throw new Error(`the result does not pass the check: ${checked.problems[0]!.field}: expected ${checked.problems[0]!.expected}`)
    }
  }

  #yaml(): string {
    const sections = kinds.flatMap((kind) => (Object.keys(this.#vpn[kind]).length === 0 ? [] : [[kind, this.#vpn[kind]]]))
    const body = sections.length === 0 ? '{}\n' : stringify(Object.fromEntries(sections), { lineWidth: 0, aliasDuplicateObjects: false })
    return `# From ${this.#file.replaceAll(/[^\x20-\x7e]/g, '?')}\n${body}`
  }

  #leaveOut(problem: Problem): void {
    const why = `expected ${problem.expected}, got ${problem.got}`
    if (problem.field === 'secrets') {
      for (const [name, { local, remote }] of Object.entries(this.#vpn.connections)) {
        const auth = problem.expected.includes('eap-mschapv2') ? 'eap-mschapv2' : 'psk'
        if (local.auth === auth || remote.auth === auth) this.#remove('connections', name, why)
      }
      return
    }
    const kind = kinds.find((one) => problem.field.startsWith(`${one}.`))
    const rest = kind === undefined ? '' : problem.field.slice(kind.length + 1)
    const name = kind === undefined ? undefined : longestPrefix(Object.keys(this.#vpn[kind]), rest)
    if (kind === undefined || name === undefined) return
    const key = rest.slice(name.length + 1)
    if (kind === 'connections' && this.#dispense(name, key, why)) return
    if (kind === 'pools' && this.#dispenseOfPool(name, key, why)) return
    this.#remove(kind, name, why)
  }

  /** A key without which the connection lets in the same clients. Whether it was one. */
  #dispense(name: string, path: string, why: string): boolean {
    const key = path.split('.').at(-1)!
    if (!dispensable.has(key)) return false
    const connection = this.#vpn.connections[name]!
    const child = path.startsWith('children.') ? longestPrefix(Object.keys(connection.children), path.slice('children.'.length)) : undefined
    const map = child === undefined ? connection : connection.children[child]!
    if (!Object.hasOwn(map, key)) return false
    delete map[key]
    const { place, field } = this.#origins.get(`connections.${name}`)!
    this.#note(place, `${field}.${path}`, `left out: ${why}`)
    return true
  }

  #dispenseOfPool(name: string, path: string, why: string): boolean {
    const [key] = /^(?:dns|nbns|subnet|domains)/.exec(path) ?? []
    const pool = this.#vpn.pools[name]!
    if (key === undefined || !Object.hasOwn(pool, key)) return false
    delete pool[key as PoolKeys]
    const { place, field } = this.#origins.get(`pools.${name}`)!
    this.#note(place, `${field}.${path}`, `left out: ${why}`)
    return true
  }

  #remove(kind: Kind, name: string, why: string): void {
    delete this.#vpn[kind][name]
    const { place, field } = this.#origins.get(`${kind}.${name}`)!
    this.#note(place, field, `left out: ${why}`)
    if (kind !== 'pools') return
    for (const [connection, value] of Object.entries(this.#vpn.connections)) {
      const pools = value.pools.filter((pool) => pool !== name)
      if (pools.length === 0) this.#remove('connections', connection, `its pool ${name} could not be taken`)
      else this.#vpn.connections[connection] = { ...value, pools }
    }
  }
}

/** Names may have dots, which paths have between them. */
function longestPrefix(names: readonly string[], path: string): string | undefined {
  const fitting = names.filter((name) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`))
  return fitting.sort((a, b) => b.length - a.length)[0]
}

function unlessEmpty(map: Readonly<Record<string, readonly string[]>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(map).filter(([, list]) => list.length > 0))
}
