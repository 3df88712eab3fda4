/**
 * Proposals as swanctl.conf writes them: keywords joined by hyphens, such as `aes128-sha256-x25519`; `default` stands for our own.
 * Several keywords of one kind are alternatives, the most wanted first. Keyword ↔ transform ID: RFC 7296 §3.3.2 and IANA's registry.
 *
 * As there: an IKE proposal without a PRF takes that of each integrity keyword; beside an AEAD an integrity keyword counts for that only; an
 * ESP proposal that says neither `esn` nor `noesn` means `noesn`.
 *
 * What is weak is there for clients that have nothing better: it is in no default, and naming it is told as a warning.
 */

import type { EncryptionChoice, EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { closestName } from './problem.ts'
import { isBroken, isMissing } from './proposal-keywords.ts'

/** What makes a proposal unacceptable. */
export interface ProposalError {
  readonly expected: string
  readonly got: string
}

/** `warnings`: what is weak in it, a sentence each. */
export type ProposalResult<T> =
  | { readonly ok: true; readonly proposals: readonly T[]; readonly warnings: readonly string[] }
  | ({ readonly ok: false } & ProposalError)

type Keyword = (
  | { readonly kind: 'cipher'; readonly choice: EncryptionChoice; readonly aead: boolean; readonly espOnly?: true }
  /** `prf` is what an IKE proposal takes when it names none. */
  | { readonly kind: 'integ'; readonly integ: number; readonly prf: number }
  | { readonly kind: 'prf'; readonly prf: number }
  | { readonly kind: 'ke'; readonly ke: number }
  | { readonly kind: 'esn'; readonly esn: 0 | 1 }
) & {
  /** Why who names it is warned. */
  readonly weak?: string
}

const ENCR_3DES = 3
const ENCR_NULL = 11
const ENCR_AES_CBC = 12
const ENCR_AES_CTR = 13
const ENCR_AES_GCM_16 = 20
const ENCR_CHACHA20_POLY1305 = 28
/** For ESP: a key exchange is possible and none is, too. */
const KE_NONE = 0
const sha256 = { kind: 'integ', integ: 12, prf: 5 } as const
const sha384 = { kind: 'integ', integ: 13, prf: 6 } as const
const sha512 = { kind: 'integ', integ: 14, prf: 7 } as const

function aes(encr: number, keyBits: number, aead: boolean): Keyword {
  return { kind: 'cipher', choice: { encr, keyBits }, aead }
}

const sha1IsWeak = 'SHA-1 is for old clients only (RFC 8247 §2.3)'
const sha1 = { kind: 'integ', integ: 2, prf: 2, weak: sha1IsWeak } as const
const tripleDes = { encr: ENCR_3DES, keyBits: 0 }
const nullCipher = { encr: ENCR_NULL, keyBits: 0 }
const noForwardSecrecy = 'clients may rekey without forward secrecy (RFC 7296 §1.3.1)'
const none: Keyword = { kind: 'ke', ke: KE_NONE, weak: noForwardSecrecy }

const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ['aes128', aes(ENCR_AES_CBC, 128, false)],
  ['aes192', aes(ENCR_AES_CBC, 192, false)],
  ['aes256', aes(ENCR_AES_CBC, 256, false)],
  ['aes', aes(ENCR_AES_CBC, 128, false)],
  ['aes128ctr', aes(ENCR_AES_CTR, 128, false)],
  ['aes192ctr', aes(ENCR_AES_CTR, 192, false)],
  ['aes256ctr', aes(ENCR_AES_CTR, 256, false)],
  ['aes128gcm16', aes(ENCR_AES_GCM_16, 128, true)],
  ['aes192gcm16', aes(ENCR_AES_GCM_16, 192, true)],
  ['aes256gcm16', aes(ENCR_AES_GCM_16, 256, true)],
  ['aes128gcm', aes(ENCR_AES_GCM_16, 128, true)],
  ['aes192gcm', aes(ENCR_AES_GCM_16, 192, true)],
  ['aes256gcm', aes(ENCR_AES_GCM_16, 256, true)],
  ['aes128gcm128', aes(ENCR_AES_GCM_16, 128, true)],
  ['aes192gcm128', aes(ENCR_AES_GCM_16, 192, true)],
  ['aes256gcm128', aes(ENCR_AES_GCM_16, 256, true)],
  ['chacha20poly1305', { kind: 'cipher', choice: { encr: ENCR_CHACHA20_POLY1305, keyBits: 0 }, aead: true }],
  ['3des', { kind: 'cipher', choice: tripleDes, aead: false, weak: 'its blocks have 64 bits (RFC 8221 §5)' }],
  ['null', { kind: 'cipher', choice: nullCipher, aead: false, espOnly: true, weak: 'nothing is encrypted (RFC 2410)' }],
  ['sha1', sha1],
  ['sha', sha1],
  ['sha256', sha256],
  ['sha2_256', sha256],
  ['sha384', sha384],
  ['sha2_384', sha384],
  ['sha512', sha512],
  ['sha2_512', sha512],
  ['prfsha1', { kind: 'prf', prf: 2, weak: sha1IsWeak }],
  ['prfsha256', { kind: 'prf', prf: 5 }],
  ['prfsha384', { kind: 'prf', prf: 6 }],
  ['prfsha512', { kind: 'prf', prf: 7 }],
  ['modp1024', { kind: 'ke', ke: 2, weak: 'a state can break 1024 bits (RFC 8247 §2.4)' }],
  ['modp1536', { kind: 'ke', ke: 5, weak: '1536 bits are too few (RFC 8247 §2.4)' }],
  ['modp2048', { kind: 'ke', ke: 14 }],
  ['modp3072', { kind: 'ke', ke: 15 }],
  ['modp4096', { kind: 'ke', ke: 16 }],
  ['ecp256', { kind: 'ke', ke: 19 }],
  ['ecp384', { kind: 'ke', ke: 20 }],
  ['ecp521', { kind: 'ke', ke: 21 }],
  ['x25519', { kind: 'ke', ke: 31 }],
  ['curve25519', { kind: 'ke', ke: 31 }],
  ['modpnone', none],
  ['none', none],
  ['noesn', { kind: 'esn', esn: 0 }],
  ['esn', { kind: 'esn', esn: 1 }],
])

const GROUPS = 'x25519-ecp256-ecp384-modp3072-modp2048'

/** What `default` and a missing key stand for, the most wanted first. */
export const defaultIkeProposals: readonly string[] = [
  `aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-${GROUPS}`,
  `aes256-aes128-sha256-sha384-sha512-${GROUPS}`,
]
export const defaultEspProposals: readonly string[] = ['aes256gcm16-aes128gcm16-chacha20poly1305', 'aes256-aes128-sha256-sha384-sha512']

/**
 * What Windows offers whose policy nobody has touched; with `Set-VpnConnectionIPsecConfiguration` it can do better. It offers each combination as a
 * proposal of its own, with SHA-1 before SHA-2: so these are apart, too, the best first.
 */
const WINDOWS_LEGACY = 'windows-legacy'
const windowsIkeProposals = ['sha384', 'sha256', 'sha1'].map((hash) => `aes256-aes192-aes128-${hash}-modp1024`)

const ikePresets: ReadonlyMap<string, readonly string[]> = new Map([
  ['default', defaultIkeProposals],
  [WINDOWS_LEGACY, windowsIkeProposals],
])
const espPresets: ReadonlyMap<string, readonly string[]> = new Map([
  ['default', defaultEspProposals],
  [WINDOWS_LEGACY, ['aes256-aes128-sha1']],
])

/** The proposals of one entry of `proposals`. */
export function parseIkeProposal(text: string): ProposalResult<IkeProposal> {
  return parseProposal(text, ikePresets, ikeProposal)
}

/** The proposals of one entry of `esp_proposals`. A key exchange in it asks for perfect forward secrecy (RFC 7296 §1.3.1). */
export function parseEspProposal(text: string): ProposalResult<EspProposal> {
  return parseProposal(text, espPresets, espProposal)
}

function parseProposal<T>(
  text: string,
  presets: ReadonlyMap<string, readonly string[]>,
  build: (kinds: Kinds) => T | ProposalError,
): ProposalResult<T> {
  const preset = presets.get(text)
  if (preset === undefined) return readKeywords(text, [...presets.keys()], build)
  const proposals: T[] = []
  const warnings = new Set<string>()
  for (const one of preset) {
    const parsed = readKeywords(one, [], build)
    if (!parsed.ok) return parsed
    proposals.push(...parsed.proposals)
    for (const warning of parsed.warnings) warnings.add(`${text}: ${warning}`)
  }
  return { ok: true, proposals, warnings: [...warnings] }
}

/** Whether it stands for an algorithm that is supported, for IKE or for ESP. */
export function isProposalKeyword(word: string, protocol: 'ike' | 'esp'): boolean {
  const keyword = keywords.get(word)
  if (keyword === undefined) return false
  if (protocol === 'esp') return keyword.kind !== 'prf'
  return keyword.kind !== 'esn' && word !== 'null' && keyword !== none
}

/** As one would write it: `parseIkeProposal` reads it back. */
export function formatIkeProposal({ encryption, integ, prf, ke }: IkeProposal): string {
  return [...encryption.map(cipherWord), ...integ.map(wordOf.integ), ...prf.map(wordOf.prf), ...ke.map(wordOf.ke)].join('-')
}

/** As one would write it: `parseEspProposal` reads it back. 32-bit sequence numbers alone, the default, are left out. */
export function formatEspProposal({ encryption, integ, ke, esn }: EspProposal): string {
  const numbers = esn.length === 1 && esn[0] === 0 ? [] : esn.map((one) => (one === 1 ? 'esn' : 'noesn'))
  return [...encryption.map(cipherWord), ...integ.map(wordOf.integ), ...ke.map(wordOf.ke), ...numbers].join('-')
}

/** The first keyword of each algorithm is its name; what has none is shown by its number. */
function wordFor(isIt: (keyword: Keyword) => boolean, otherwise: string): string {
  return [...keywords].find(([, keyword]) => isIt(keyword))?.[0] ?? otherwise
}

function cipherWord({ encr, keyBits }: EncryptionChoice): string {
  const isIt = (one: Keyword): boolean => one.kind === 'cipher' && one.choice.encr === encr && one.choice.keyBits === keyBits
  return wordFor(isIt, `encr${encr}`)
}

const wordOf = {
  integ: (id: number): string => wordFor((one) => one.kind === 'integ' && one.integ === id, `integ${id}`),
  prf: (id: number): string => wordFor((one) => one.kind === 'prf' && one.prf === id, `prf${id}`),
  ke: (id: number): string => wordFor((one) => one.kind === 'ke' && one.ke === id, `ke${id}`),
}

interface Kinds {
  readonly text: string
  readonly ciphers: readonly Extract<Keyword, { kind: 'cipher' }>[]
  readonly integs: readonly Extract<Keyword, { kind: 'integ' }>[]
  readonly prfs: readonly number[]
  readonly kes: readonly number[]
  readonly esns: readonly (0 | 1)[]
  readonly aead: boolean
}

/** `presets`: the words that stand for whole proposals. */
function readKeywords<T>(text: string, presets: readonly string[], build: (kinds: Kinds) => T | ProposalError): ProposalResult<T> {
  if (text.includes(',')) return { ok: false, expected: 'one proposal; several are a list in YAML', got: JSON.stringify(text) }
  const read: Keyword[] = []
  const warnings: string[] = []
  for (const word of text.split('-')) {
    const keyword = keywords.get(word)
    if (keyword === undefined) return { ok: false, ...unknownKeyword(word, text, presets) }
    read.push(keyword)
    if (keyword.weak !== undefined) warnings.push(`${word} is weak: ${keyword.weak}`)
  }
  const kinds = sortKinds(text, read)
  const mixed = kinds.ciphers.some((cipher) => cipher.aead !== kinds.aead)
  if (kinds.ciphers.length === 0)
    return { ok: false, expected: 'a proposal with encryption, such as aes128gcm16', got: JSON.stringify(text) }
  if (mixed) return { ok: false, expected: 'AEAD and other ciphers in proposals of their own', got: JSON.stringify(text) }
  const built = build(kinds)
  return isError(built) ? { ok: false, ...built } : { ok: true, proposals: [built], warnings }
}

function isError(built: unknown): built is ProposalError {
  return typeof built === 'object' && built !== null && 'expected' in built
}

function sortKinds(text: string, read: readonly Keyword[]): Kinds {
  const distinct = [...new Set(read)]
  const ciphers = distinct.filter((keyword) => keyword.kind === 'cipher')
  return {
    text,
    ciphers,
    integs: distinct.filter((keyword) => keyword.kind === 'integ'),
    prfs: distinct.filter((keyword) => keyword.kind === 'prf').map(({ prf }) => prf),
    kes: [...new Set(distinct.filter((keyword) => keyword.kind === 'ke').map(({ ke }) => ke))],
    esns: distinct.filter((keyword) => keyword.kind === 'esn').map(({ esn }) => esn),
    aead: ciphers[0]?.aead === true,
  }
}

function unknownKeyword(word: string, text: string, presets: readonly string[]): ProposalError {
  const within = word === text ? '' : ` in ${JSON.stringify(text)}`
  const got = `${JSON.stringify(word)}${within}`
  if (isBroken(word)) return { expected: 'an algorithm that is not broken; this one is refused', got }
  if (isMissing(word)) return { expected: 'a supported algorithm; this one is not supported yet', got }
  const preset = closestName(text, presets)
  const meant = preset ?? closestName(word, [...keywords.keys()])
  const what = preset === null ? got : JSON.stringify(text)
  return { expected: 'an algorithm as in swanctl.conf', got: meant === null ? got : `${what} (did you mean ${meant}?)` }
}

function ikeProposal(kinds: Kinds): IkeProposal | ProposalError {
  const got = JSON.stringify(kinds.text)
  const { ciphers, integs, kes, esns, aead } = kinds
  if (ciphers.some((cipher) => cipher.espOnly)) return { expected: 'a cipher for IKE; null is for ESP only', got }
  if (esns.length > 0) return { expected: 'no esn or noesn in an IKE proposal', got }
  if (!aead && integs.length === 0) return { expected: 'integrity protection beside the cipher, such as sha256', got }
  const prf = kinds.prfs.length > 0 ? kinds.prfs : integs.map((integ) => integ.prf)
  if (prf.length === 0) return { expected: 'a PRF beside the AEAD, such as prfsha256', got }
  if (kes.length === 0) return { expected: 'a key exchange, such as x25519', got }
  if (kes.includes(KE_NONE)) return { expected: 'a key exchange for IKE; modpnone is for ESP only', got }
  return { encryption: ciphers.map(({ choice }) => choice), integ: aead ? [] : integs.map(({ integ }) => integ), prf, ke: kes }
}

function espProposal(kinds: Kinds): EspProposal | ProposalError {
  const got = JSON.stringify(kinds.text)
  const { ciphers, integs, kes, esns, aead, prfs } = kinds
  if (prfs.length > 0) return { expected: 'no PRF in an ESP proposal', got }
  if (!aead && integs.length === 0)
    return { expected: 'integrity protection: an AEAD such as aes128gcm16, or sha256 beside the cipher', got }
  const esn = esns.length === 0 ? ([0] as const) : esns
  return { encryption: ciphers.map(({ choice }) => choice), integ: aead ? [] : integs.map(({ integ }) => integ), ke: kes, esn }
}
