/**
 * MD4 (RFC 1320), which MS-CHAPv2 hashes passwords with (RFC 2759 §8.3) and nothing else here uses: it is broken as a hash function. The
 * OpenSSL inside Node has it no more.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'

const blockOctets = 64

/** The 16 octets of the digest. */
export function md4(message: Bytes): Bytes {
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  const view = dataView(padded(message))
  for (let at = 0; at < view.byteLength; at += blockOctets) addBlock(state, view, at)
  const digest = new Uint8Array(16)
  for (const [i, word] of state.entries()) dataView(digest).setUint32(4 * i, word, true)
  return digest
}

/** §3.1, §3.2: a one bit, zero bits, and the length in bits as 64 bits, low word first. */
function padded(message: Bytes): Bytes {
  const length = Math.ceil((message.length + 9) / blockOctets) * blockOctets
  const all = new Uint8Array(length)
  all.set(message)
  all[message.length] = 0x80
  const view = dataView(all)
  view.setUint32(length - 8, message.length << 3, true)
  view.setUint32(length - 4, message.length >>> 29, true)
  return all
}

interface Round {
  readonly mix: (x: number, y: number, z: number) => number
  readonly constant: number
  /** The order in which the words of the block are taken. */
  readonly words: readonly number[]
  readonly shifts: readonly [number, number, number, number]
}

/** §3.4. */
const rounds: readonly Round[] = [
  {
    mix: (x, y, z) => (x & y) | (~x & z),
    constant: 0,
    words: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
    constant: 0x5a827999,
    words: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    constant: 0x6ed9eba1,
    words: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
]

function addBlock(state: Uint32Array, view: DataView, at: number): void {
  let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!]
  for (const { mix, constant, words, shifts } of rounds) {
    for (const [i, word] of words.entries()) {
      const sum = (a + mix(b, c, d) + view.getUint32(at + 4 * word, true) + constant) | 0
      const shift = shifts[i & 3]!
      ;[a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c]
    }
  }
  for (const [i, value] of [a, b, c, d].entries()) state[i] = (state[i]! + value) | 0
}
