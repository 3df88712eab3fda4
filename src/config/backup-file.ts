/**
 * A backup: what a cluster is worth without its sessions, as lines of JSON. Sessions are not in it, on purpose: what counts them would be old when it came
 * back, and numbers would be used twice (S1).
 *
 *     { "format": "evpc-backup", "version": 1, "cluster", "gateway", "index", "time", "vpnVersion", "vpn": base64 of the configuration,
 *       "sealingKeys": ids of the keys that its secrets are sealed under; none in older files }
 *     { "holder", "addresses": [...] }      whoever had virtual addresses, one line each
 *     { "assignments": how many such lines, "sha256": of all lines before this one, in hexadecimal }
 *
 * Secrets in the configuration are sealed, as in the log: the file is of no use without that sealing key, and says who the users are.
 */

import { createHash } from 'node:crypto'
import { Buffer } from 'node:buffer'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import { formatAddress, parseAddress } from '../context/address.ts'
import { sealingKeysOf } from '../context/sealed-parts.ts'
import type { VpnConfiguration } from '../context/vpn-configuration.ts'
import { decodeVpnConfiguration } from '../context/vpn-configuration-codec.ts'
import type { Bytes } from '../kit/bytes.ts'
import { concat, fromUtf8 } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import { DecodeError } from '../kit/wire.ts'

const format = 'evpc-backup'
const version = 1
const NEWLINE = 0x0a
/** The configuration in base64, and more. */
const MAX_LINE_OCTETS = 12 * 2 ** 20
const MAX_ASSIGNMENTS = 1_048_576
const MAX_ADDRESSES = 16

const closed = { additionalProperties: false }
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const text = Type.String({ maxLength: 256 })
const headerSchema = Type.Object(
  {
    format: Type.Literal(format),
    version: Type.Literal(version),
    cluster: text,
    gateway: text,
    index: count,
    time: text,
    vpnVersion: count,
    vpn: Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }),
    sealingKeys: Type.Optional(Type.Array(Type.String({ pattern: '^[0-9a-f]{8}$' }), { maxItems: 1024 })),
  },
  closed,
)
const assignmentSchema = Type.Object(
  {
    holder: Type.String({ minLength: 1, maxLength: 8192 }),
    addresses: Type.Array(Type.String({ maxLength: 45 }), { minItems: 1, maxItems: MAX_ADDRESSES }),
  },
  closed,
)
const endSchema = Type.Object({ assignments: count, sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }) }, closed)

export interface Assignment {
  /** As `holderKey` names him. */
  readonly holder: string
  readonly addresses: readonly Bytes[]
}

export interface BackupHeader {
  readonly cluster: string
  readonly gateway: string
  readonly index: number
  /** RFC 3339. */
  readonly time: string
  readonly vpnVersion: number
  /** Encoded. */
  readonly vpn: Bytes
}

export interface Backup extends BackupHeader {
  readonly configuration: VpnConfiguration
  readonly assignments: readonly Assignment[]
}

/** Makes the lines of a backup, each with its end. */
export class BackupWriter {
  readonly #hash = createHash('sha256')
  #assignments = 0

  header({ vpn, ...header }: BackupHeader): string {
    const sealingKeys = sealingKeysOf(decodeVpnConfiguration(vpn))
    return this.#line({ format, version, ...header, vpn: Buffer.from(vpn).toString('base64'), sealingKeys })
  }

  assignment({ holder, addresses }: Assignment): string {
    this.#assignments += 1
    return this.#line({ holder, addresses: addresses.map(formatAddress) })
  }

  end(): string {
    return `${JSON.stringify({ assignments: this.#assignments, sha256: this.#hash.digest('hex') })}\n`
  }

  #line(value: unknown): string {
    const line = `${JSON.stringify(value)}\n`
    this.#hash.update(line)
    return line
  }
}

/** Takes a backup as it comes. Throws `ERR_VALIDATION` that names the line for anything that is not what a `BackupWriter` wrote. */
export class BackupReader {
  readonly #hash = createHash('sha256')
  readonly #assignments: Assignment[] = []
  #header: (Static<typeof headerSchema> & { readonly octets: Bytes; readonly configuration: VpnConfiguration }) | null = null
  #rest: Bytes[] = []
  #restOctets = 0
  #line = 0
  #isComplete = false

  add(chunk: Bytes): void {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#take(concat(...this.#rest, chunk.subarray(from, end + 1)))
      this.#rest = []
      this.#restOctets = 0
      from = end + 1
    }
    if (from === chunk.length) return
    this.#rest.push(chunk.slice(from))
    this.#restOctets += chunk.length - from
    if (this.#restOctets > MAX_LINE_OCTETS) this.#fail(`it is longer than ${MAX_LINE_OCTETS} octets`, 1)
  }

  finish(): Backup {
    if (this.#restOctets > 0) this.#fail('it has no end', 1)
    if (this.#header === null || !this.#isComplete) throw invalid('it ends too early')
    const { cluster, gateway, index, time, vpnVersion, octets, configuration } = this.#header
    return { cluster, gateway, index, time, vpnVersion, vpn: octets, configuration, assignments: this.#assignments }
  }

  #take(line: Bytes): void {
    this.#line += 1
    if (this.#isComplete) this.#fail('it stands behind the end')
    if (line.length > MAX_LINE_OCTETS) this.#fail(`it is longer than ${MAX_LINE_OCTETS} octets`)
    const value = this.#parse(line)
    if (this.#header === null) this.#begin(value)
    else if (Check(endSchema, value)) return this.#end(value)
    else this.#assign(value)
    this.#hash.update(line)
  }

  #begin(value: unknown): void {
    if (!Check(headerSchema, value)) this.#fail(`expected the head of a backup (format ${format}, version ${version})`)
    const octets = new Uint8Array(Buffer.from(value.vpn, 'base64'))
    try {
      this.#header = { ...value, octets, configuration: decodeVpnConfiguration(octets) }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#fail(`the configuration does not decode: ${error.message}`)
    }
  }

  #assign(value: unknown): void {
    if (!Check(assignmentSchema, value)) this.#fail('expected a holder and his addresses, or the end')
    if (this.#assignments.length === MAX_ASSIGNMENTS) this.#fail(`there are more than ${MAX_ASSIGNMENTS} holders`)
    const addresses = value.addresses.map((written) => parseAddress(written) ?? this.#fail(`${written} is no address`))
    this.#assignments.push({ holder: value.holder, addresses })
  }

  #end({ assignments, sha256 }: Static<typeof endSchema>): void {
    if (assignments !== this.#assignments.length) this.#fail(`expected ${assignments} holders before it, got ${this.#assignments.length}`)
    if (sha256 !== this.#hash.digest('hex')) this.#fail('what stands before it is not what was written')
    this.#isComplete = true
  }

  #parse(line: Bytes): unknown {
    try {
      return JSON.parse(fromUtf8(line))
    } catch {
      return this.#fail('expected JSON')
    }
  }

  /** `ahead`: of the last line that came whole. */
  #fail(problem: string, ahead = 0): never {
    throw invalid(`line ${this.#line + ahead}: ${problem}`)
  }
}

function invalid(problem: string): CodedError {
  return new CodedError('ERR_VALIDATION', `not a whole backup: ${problem}`)
}
