/** What the built-in client offers and asks for, where it isn't told. */

import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import type { TrafficSelector } from '../context/session-context.ts'
import {
  encryptionAlgorithm as encr,
  integrityAlgorithm as integ,
  keyExchangeMethod as ke,
  prfAlgorithm as prf,
} from '../kit/ike-crypto.ts'

/** As stock strongSwan does: a CBC suite first, the AEADs in a proposal of their own. */
export const defaultIkeProposals: readonly IkeProposal[] = [
  {
    encryption: [
      { encr: encr.aesCbc, keyBits: 128 },
      { encr: encr.aesCbc, keyBits: 256 },
    ],
    integ: [integ.hmacSha256_128, integ.hmacSha384_192, integ.hmacSha512_256],
    prf: [prf.hmacSha256, prf.hmacSha384, prf.hmacSha512],
    ke: [ke.x25519, ke.ecp256, ke.ecp384, ke.modp2048],
  },
  {
    encryption: [
      { encr: encr.aesGcm16, keyBits: 128 },
      { encr: encr.aesGcm16, keyBits: 256 },
      { encr: encr.chacha20Poly1305, keyBits: 0 },
    ],
    integ: [],
    prf: [prf.hmacSha256, prf.hmacSha384, prf.hmacSha512],
    ke: [ke.x25519, ke.ecp256, ke.ecp384, ke.modp2048],
  },
]

export const defaultEspProposals: readonly EspProposal[] = [
  {
    encryption: [
      { encr: encr.aesGcm16, keyBits: 128 },
      { encr: encr.aesGcm16, keyBits: 256 },
      { encr: encr.chacha20Poly1305, keyBits: 0 },
    ],
    integ: [],
    ke: [],
    esn: [0],
  },
  {
    encryption: [
      { encr: encr.aesCbc, keyBits: 128 },
      { encr: encr.aesCbc, keyBits: 256 },
    ],
    integ: [integ.hmacSha256_128, integ.hmacSha384_192, integ.hmacSha512_256],
    ke: [],
    esn: [0],
  },
]

/** 0.0.0.0 to 255.255.255.255. */
export const everything: readonly TrafficSelector[] = [
  { protocol: 0, startPort: 0, endPort: 65535, start: new Uint8Array(4), end: new Uint8Array(4).fill(255) },
]
