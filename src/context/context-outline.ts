/**
 * What the tables of the replicated state hold of a session's context, read from its encoding without a copy or an object of anything: a checkpoint of a
 * million sessions is restored from these. The encoding is session-context-codec.ts's, with its bounds; only an ordinary context is read here, though
 * (established, nothing of ours under way, names in ASCII): any other is decoded whole.
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes, hexDigits } from '../kit/bytes.ts'
import { TextHash } from '../kit/hash.ts'
import { keyIdOctets, noSealingKey } from '../kit/sealer.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { Reader } from '../kit/wire.ts'
import { holderHash, holderOf } from './holder.ts'
import { idType, isCaseless, lowerOctet } from './identity.ts'
import { sealingKeyOf } from './sealed-parts.ts'
import { closingBit, contextLimits, contextVersion, phases } from './session-context-codec.ts'
import type { SessionContext, SessionPhase } from './session-context.ts'
import { features, localIkeSpi } from './session-context.ts'

const ESTABLISHED = phases.indexOf('established')
const CERTIFICATE = 1
const USER = 2
const digits = Array.from(hexDigits, (digit) => digit.charCodeAt(0))

/** One object for many contexts: what it says is good until the next `read`. */
export class ContextOutline {
  phase: SessionPhase = 'established'
  expiresAt = 0
  /** `sealingKeyOf` the context. */
  sealingKey: SealingKeyId = noSealingKey
  /** `holderHash` of the context's holder. */
  holder = 0
  /** How many virtual addresses, IKE SAs and Child SAs. */
  addresses = 0
  ikeSas = 0
  children = 0
  /** `localIkeSpi` of each IKE SA. */
  readonly spiHigh = new Uint32Array(contextLimits.ikeSas)
  readonly spiLow = new Uint32Array(contextLimits.ikeSas)
  /** Of each Child SA. */
  readonly spiIn = new Uint32Array(contextLimits.children)
  readonly esn = new Uint8Array(contextLimits.children)
  readonly #addresses: Bytes[] = Array.from({ length: contextLimits.virtualIps }, () => emptyBytes)
  #sealed = 0
  #isUnderOne = true

  /** A virtual address: a view of what was read. */
  address(index: number): Bytes {
    return this.#addresses[index]!
  }

  /** Of any. */
  take(context: SessionContext): void {
    const { phase, expiresAt, virtualIps, ikeSas, children } = context
    this.phase = phase
    this.expiresAt = expiresAt
    this.sealingKey = sealingKeyOf(context)
    this.holder = holderHash(holderOf(context))
    this.addresses = virtualIps.length
    virtualIps.forEach((address, i) => (this.#addresses[i] = address))
    this.ikeSas = ikeSas.length
    ikeSas.forEach((sa, i) => {
      const spi = localIkeSpi(sa)
      this.spiHigh[i] = Number(spi >> 32n)
      this.spiLow[i] = Number(spi & 0xffff_ffffn)
    })
    this.children = children.length
    children.forEach(({ spiIn, suite }, i) => {
      this.spiIn[i] = spiIn
      this.esn[i] = suite.esn
    })
  }

  /** False: it is no ordinary one, decode and `take` it. Throws `DecodeError`. */
  read(bytes: Bytes): boolean {
    const r = new Reader('session context', bytes)
    if (r.u8('version') !== contextVersion || r.u8('phase') !== ESTABLISHED) return false
    this.phase = 'established'
    this.#sealed = 0
    this.#isUnderOne = true
    this.sealingKey = noSealingKey
    if (!this.#readHolder(r)) return false
    for (let i = 0; i < 2; i++) {
      r.skip('address', addressLength(r))
      r.skip('port', 2)
    }
    r.boolean('behindNat')
    const bits = r.varint('features')
    if ((bits & features.unauthenticated) !== 0) return false
    if ((bits & features.provenIdentity) === 0) this.holder = 0
    this.addresses = r.count('virtualIps.count', contextLimits.virtualIps)
    for (let i = 0; i < this.addresses; i++) this.#addresses[i] = r.octets('address', addressLength(r))
    this.ikeSas = r.count('ikeSas.count', contextLimits.ikeSas)
    for (let i = 0; i < this.ikeSas; i++) if (!this.#readIkeSa(r, i)) return false
    this.children = r.count('children.count', contextLimits.children)
    for (let i = 0; i < this.children; i++) this.#readChild(r, i)
    if (r.boolean('halfOpen')) return false
    this.expiresAt = r.varint('expiresAt')
    skipCredential(r)
    r.end()
    if (!this.#isUnderOne) this.sealingKey = noSealingKey
    return true
  }

  /** As `holderKey` writes it, hashed as it goes. */
  #readHolder(r: Reader): boolean {
    const hash = new TextHash()
    const connection = r.count('connection', contextLimits.nameOctets)
    for (let i = 0; i < connection; i++) {
      const octet = r.u8('connection')
      if (octet >= 0x80) return false
      hash.add(octet)
    }
    this.holder = 0
    if (!r.boolean('identity')) return true
    const type = r.u8('identity.type')
    if (type === idType.derAsn1Dn) return false
    hash.addText(` ${type} `)
    const isLowered = isCaseless(type)
    const length = r.count('identity.data', contextLimits.identityOctets)
    for (let i = 0; i < length; i++) {
      const octet = r.u8('identity.data')
      const key = isLowered ? lowerOctet(octet) : octet
      hash.add(digits[key >> 4]!)
      hash.add(digits[key & 15]!)
    }
    this.holder = hash.value || 1
    return true
  }

  #readIkeSa(r: Reader, index: number): boolean {
    const [initiatorHigh, initiatorLow] = [r.u32('initiatorSpi'), r.u32('initiatorSpi')]
    const [responderHigh, responderLow] = [r.u32('responderSpi'), r.u32('responderSpi')]
    const isOurs = r.boolean('initiatedByUs')
    this.spiHigh[index] = isOurs ? initiatorHigh : responderHigh
    this.spiLow[index] = isOurs ? initiatorLow : responderLow
    for (let i = 0; i < 5; i++) r.count('suite', 0xffff)
    this.#readSealed(r, 'ikeSa.secrets')
    r.varint('ikeSa.establishedAt')
    r.varint('ikeSa.deletedAt')
    return (r.u8('ikeSa.task') & ~closingBit) === 0
  }

  #readChild(r: Reader, index: number): void {
    r.skip('child.name', r.count('child.name', contextLimits.nameOctets))
    this.spiIn[index] = r.u32('child.spiIn')
    r.skip('child.spiOut', 4)
    for (let i = 0; i < 3; i++) r.count('suite', 0xffff)
    this.esn[index] = r.boolean('suite.esn') ? 1 : 0
    this.#readSealed(r, 'child.secrets')
    skipSelectors(r)
    skipSelectors(r)
    r.varint('child.establishedAt')
    r.u8('child.state')
  }

  #readSealed(r: Reader, field: string): void {
    const length = r.count(field, contextLimits.secretsOctets)
    const key = length < keyIdOctets ? noSealingKey : r.u32(field)
    r.skip(field, length < keyIdOctets ? length : length - keyIdOctets)
    if (this.#sealed > 0 && key !== this.sealingKey) this.#isUnderOne = false
    this.#sealed += 1
    this.sealingKey = key
  }
}

function addressLength(r: Reader): number {
  const length = r.count('address', 16)
  return length === 4 || length === 16 ? length : r.fail('address', `expected 4 or 16 octets, got ${length}`)
}

function skipSelectors(r: Reader): void {
  const count = r.count('selectors.count', contextLimits.selectors)
  for (let i = 0; i < count; i++) {
    r.skip('selector', 5)
    r.skip('selector.range', 2 * addressLength(r))
  }
}

function skipCredential(r: Reader): void {
  const type = r.u8('credential')
  if (type > USER) r.fail('credential', `expected 0 to ${USER}, got ${type}`)
  if (type !== CERTIFICATE) return
  const count = r.count('credential.chain.count', contextLimits.certificateChain)
  for (let i = 0; i < 2 * count; i++) r.skip('certificate', r.count('certificate', contextLimits.certificateNameOctets))
}
