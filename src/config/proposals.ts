/**
 * Proposals as swanctl.conf writes them: keywords joined by hyphens, such as `aes128-sha256-x25519`; `default` stands for our own.
 * Several keywords of one kind are alternatives, the most wanted first. Keyword ↔ transform ID: RFC 7296 §3.3.2 and IANA's registry.
 *
 * As there: an IKE proposal without a PRF takes that of each integrity keyword; beside an AEAD an integrity keyword counts for that only.
 */

import type { EncryptionChoice, EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { closestName } from './problem.ts'

/** What makes a proposal unacceptable. */
export interface ProposalError {
  readonly expected: string
  readonly got: string
}

export type ProposalResult<T> = { readonly ok: true; readonly proposals: readonly T[] } | ({ readonly ok: false } & ProposalError)

type Keyword =
  | { readonly kind: 'cipher'; readonly choice: EncryptionChoice; readonly aead: boolean; readonly espOnly?: true }
  /** `prf` is what an IKE proposal takes when it names none. */
  | { readonly kind: 'integ'; readonly integ: number; readonly prf: number }
  | { readonly kind: 'prf'; readonly prf: number }
  | { readonly kind: 'ke'; readonly ke: number }
  | { readonly kind: 'noesn' }

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

function counter(keyBits: number): Keyword {
  return { kind: 'cipher', choice: { encr: ENCR_AES_CTR, keyBits }, aead: false, espOnly: true }
}

const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ['aes128', aes(ENCR_AES_CBC, 128, false)],
  ['aes192', aes(ENCR_AES_CBC, 192, false)],
  ['aes256', aes(ENCR_AES_CBC, 256, false)],
  ['aes', aes(ENCR_AES_CBC, 128, false)],
  ['aes128ctr', counter(128)],
  ['aes192ctr', counter(192)],
  ['aes256ctr', counter(256)],
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
  ['sha256', sha256],
  ['sha2_256', sha256],
  ['sha384', sha384],
  ['sha2_384', sha384],
  ['sha512', sha512],
  ['sha2_512', sha512],
  ['prfsha256', { kind: 'prf', prf: 5 }],
  ['prfsha384', { kind: 'prf', prf: 6 }],
  ['prfsha512', { kind: 'prf', prf: 7 }],
  ['modp2048', { kind: 'ke', ke: 14 }],
  ['modp3072', { kind: 'ke', ke: 15 }],
  ['modp4096', { kind: 'ke', ke: 16 }],
  ['ecp256', { kind: 'ke', ke: 19 }],
  ['ecp384', { kind: 'ke', ke: 20 }],
  ['ecp521', { kind: 'ke', ke: 21 }],
  ['x25519', { kind: 'ke', ke: 31 }],
  ['curve25519', { kind: 'ke', ke: 31 }],
  ['modpnone', { kind: 'ke', ke: KE_NONE }],
  ['noesn', { kind: 'noesn' }],
])

/** Broken or too short for what RFC 8247 and RFC 8221 ask. */
const weak = new Set(
  'des 3des blowfish cast128 null md5 sha1 sha prfmd5 prfsha1 modp768 modp1024 modp1024s160 modp1536 ecp192 ecp224 modpnull'.split(' '),
)
/** Known to swanctl, sound, and not in here. */
const missing = new Set(
  (
    'esn aes128gcm8 aes256gcm8 aes128gcm12 aes256gcm12 aes128ccm16 aes256ccm16 camellia128 camellia256 aesxcbc aescmac prfaesxcbc ' +
    'prfaescmac sha256_96 modp2048s224 modp2048s256 modp6144 modp8192 x448 curve448'
  ).split(' '),
)

const GROUPS = 'x25519-ecp256-ecp384-modp3072-modp2048'

/** What `default` and a missing key stand for, the most wanted first. */
export const defaultIkeProposals: readonly string[] = [
  `aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-${GROUPS}`,
  `aes256-aes128-sha256-sha384-sha512-${GROUPS}`,
]
export const defaultEspProposals: readonly string[] = ['aes256gcm16-aes128gcm16-chacha20poly1305', 'aes256-aes128-sha256-sha384-sha512']

/** The proposals of one entry of `proposals`. */
export function parseIkeProposal(text: string): ProposalResult<IkeProposal> {
  return text === 'default' ? all(defaultIkeProposals, parseIkeProposal) : readKeywords(text, ikeProposal)
}

/** The proposals of one entry of `esp_proposals`. A key exchange in it asks for perfect forward secrecy (RFC 7296 §1.3.1). */
export function parseEspProposal(text: string): ProposalResult<EspProposal> {
  return text === 'default' ? all(defaultEspProposals, parseEspProposal) : readKeywords(text, espProposal)
}

function all<T>(texts: readonly string[], parse: (text: string) => ProposalResult<T>): ProposalResult<T> {
  const proposals: T[] = []
  for (const text of texts) {
    const parsed = parse(text)
    if (!parsed.ok) return parsed
    proposals.push(...parsed.proposals)
  }
  return { ok: true, proposals }
}

interface Kinds {
  readonly text: string
  readonly ciphers: readonly Extract<Keyword, { kind: 'cipher' }>[]
  readonly integs: readonly Extract<Keyword, { kind: 'integ' }>[]
  readonly prfs: readonly number[]
  readonly kes: readonly number[]
  readonly aead: boolean
}

function readKeywords<T>(text: string, build: (kinds: Kinds) => T | ProposalError): ProposalResult<T> {
  const read: Keyword[] = []
  for (const word of text.split('-')) {
    const keyword = keywords.get(word)
    if (keyword === undefined) return { ok: false, ...unknownKeyword(word, text) }
    read.push(keyword)
  }
  const kinds = sortKinds(text, read)
  const mixed = kinds.ciphers.some((cipher) => cipher.aead !== kinds.aead)
  if (kinds.ciphers.length === 0)
    return { ok: false, expected: 'a proposal with encryption, such as aes128gcm16', got: JSON.stringify(text) }
  if (mixed) return { ok: false, expected: 'AEAD and other ciphers in proposals of their own', got: JSON.stringify(text) }
  const built = build(kinds)
  return isError(built) ? { ok: false, ...built } : { ok: true, proposals: [built] }
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
    aead: ciphers[0]?.aead === true,
  }
}

function unknownKeyword(word: string, text: string): ProposalError {
  const within = word === text ? '' : ` in ${JSON.stringify(text)}`
  const got = `${JSON.stringify(word)}${within}`
  if (weak.has(word)) return { expected: 'an algorithm that is not weak; weak ones are not supported', got }
  if (missing.has(word)) return { expected: 'a supported algorithm; this one is not supported yet', got }
  const meant = closestName(word, [...keywords.keys()])
  return { expected: 'an algorithm as in swanctl.conf', got: meant === null ? got : `${got} (did you mean ${meant}?)` }
}

function ikeProposal(kinds: Kinds): IkeProposal | ProposalError {
  const got = JSON.stringify(kinds.text)
  const { ciphers, integs, kes, aead } = kinds
  if (ciphers.some((cipher) => cipher.espOnly)) return { expected: 'a cipher for IKE; AES-CTR is for ESP only', got }
  if (!aead && integs.length === 0) return { expected: 'integrity protection beside the cipher, such as sha256', got }
  const prf = kinds.prfs.length > 0 ? kinds.prfs : integs.map((integ) => integ.prf)
  if (prf.length === 0) return { expected: 'a PRF beside the AEAD, such as prfsha256', got }
  if (kes.length === 0) return { expected: 'a key exchange, such as x25519', got }
  if (kes.includes(KE_NONE)) return { expected: 'a key exchange for IKE; modpnone is for ESP only', got }
  return { encryption: ciphers.map(({ choice }) => choice), integ: aead ? [] : integs.map(({ integ }) => integ), prf, ke: kes }
}

function espProposal(kinds: Kinds): EspProposal | ProposalError {
  const got = JSON.stringify(kinds.text)
  const { ciphers, integs, kes, aead, prfs } = kinds
  if (prfs.length > 0) return { expected: 'no PRF in an ESP proposal', got }
  if (!aead && integs.length === 0)
    return { expected: 'integrity protection: an AEAD such as aes128gcm16, or sha256 beside the cipher', got }
  return { encryption: ciphers.map(({ choice }) => choice), integ: aead ? [] : integs.map(({ integ }) => integ), ke: kes, esn: [0] }
}
