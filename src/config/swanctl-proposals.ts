/** Proposals of swanctl.conf, less the algorithms that are not supported here. */

import { isProposalKeyword, parseEspProposal, parseIkeProposal } from './proposals.ts'
import type { Reading } from './swanctl-notes.ts'

const keyExchange = /^(?:modp|ecp|curve|x25519|x448|ke[0-9]|mlkem|ntru|newhope|kyber|frodo)/

/** The list in the words of vpn.yaml; undefined: the setting is not there; null: nothing is left of it. What is left out is noted. */
export function importProposals(reading: Reading, key: string, protocol: 'ike' | 'esp'): readonly string[] | null | undefined {
  const list = reading.list(key)
  if (list.length === 0) return undefined
  const parse = protocol === 'ike' ? parseIkeProposal : parseEspProposal
  const taken = list.flatMap((proposal) => {
    if (parse(proposal).ok) return [proposal]
    const words = proposal.split('-')
    const left = words.filter((word) => isProposalKeyword(word, protocol))
    const missing = words.filter((word) => !left.includes(word))
    const losesSecrecy = words.some((word) => keyExchange.test(word)) && !left.some((word) => keyExchange.test(word))
    const parsed = losesSecrecy ? null : parse(left.join('-'))
    if (parsed?.ok !== true) {
      const error = parse(proposal)
      reading.note(
        key,
        `the proposal ${proposal} is left out: ${error.ok ? 'nothing of it is supported' : `expected ${error.expected}, got ${error.got}`}`,
      )
      return []
    }
    reading.note(key, `${missing.join(', ')} of the proposal ${proposal} ${missing.length === 1 ? 'is' : 'are'} not supported; left out`)
    return [left.join('-')]
  })
  return taken.length === 0 ? null : taken
}
