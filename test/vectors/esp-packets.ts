/**
 * Published ESP packets. `packet` runs from the SPI on; `plaintext` is what is encrypted, with padding and trailer.
 *
 * Sources: draft-mcgrew-gcm-test-01 §4 (AES-GCM of RFC 4106); RFC 7634
 * Appendix A (ChaCha20-Poly1305); RFC 3602 §4 cases 5 and 7 (AES-CBC without integrity: the tests add the ICV of RFC 4868 themselves).
 */

export interface EspVector {
  readonly source: string
  readonly encr: number
  readonly keyBits: number
  /** Encryption key, then the salt where there is one. */
  readonly key: string
  readonly packet: string
  readonly plaintext: string
  /** The upper half of an extended number; left out: the numbers have 32 bits. */
  readonly high?: number
}

const AES_CBC = 12
const AES_GCM_16 = 20
const CHACHA20_POLY1305 = 28

export const aeadPackets: readonly EspVector[] = [
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 0000a5f8, 128 bits',
    encr: AES_GCM_16,
    keyBits: 128,
    key: 'feffe9928665731c6d6a8f9467308308 cafebabe',
    packet: `0000a5f80000000afacedbaddecaf888 deb22cd9b07c72c16e3a65beeb8df304 a5a5897d33ae530f1ba76d5d114d2a5c
      3de81827c10e9a4f51330d0eec416642 cfbb85a5b47e48a4ec3b9ba95d918bd1 83b70d3aa8bc6ee4c309e9d85a41ad4a`,
    plaintext: `4500003e698f000080114dccc0a80102 c0a801010a980035002a2343b2d00100 00010000000000000373697009637962
      65726369747902646b00000100010001`,
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 0000a5f8, 192 bits',
    encr: AES_GCM_16,
    keyBits: 192,
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe',
    packet: `0000a5f80000000afacedbaddecaf888 a5b1f8066029aea40e598b8122de0242 0938b3ab33f828e687b8858b5bfbdbd0
      315b27452144cc7795457b9652037f53 18027b5b4cd7a636`,
    plaintext: '45000028a4ad4000400678800a01038f 0a010612802306b8cb712602dd6bb03e 501016d075680001',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 4a2cbfe3, 256 bits',
    encr: AES_GCM_16,
    keyBits: 256,
    key: 'abbccddef00112233445566778899aababbccddef00112233445566778899aab 11223344',
    packet: `4a2cbfe3000000020102030405060708 ff425c9b724599df7a3bcd510194e00d 6a78107f1b0b1cbf06efae9d65a5d763
      748a637985771d347f0545659f14e99d ef842d8eb335f4eecfdbf831824b4c49 15956c96`,
    plaintext: '4500003069a6400080062690c0a80102 9389155e0a9e008b2dc57ee000000000 7002400020bf0000020405b401010402 01020201',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 335467ae, the last 32-bit number',
    encr: AES_GCM_16,
    keyBits: 128,
    key: '7d773d00c144c525ac619d18c84a3f47 d9664267',
    packet: '335467aeffffffff43457e9182443bc6 437f866bcb3f699fe9b0822bac961c45 04bef270',
    plaintext: '01020201',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 00004321, number 87654321 00000000',
    encr: AES_GCM_16,
    keyBits: 128,
    key: '4c80cdefbb5d10da906ac73c3613a634 2e443b68',
    high: 0x8765_4321,
    packet: `00004321000000004956ed7e3b244cfe fecf537e729d5b07dc30df528dd22b76 8d1b98736696a6fd348509fa13ceac34
      cfa2436f14a3f3cf65925bf1f4a13c5d 15b21e1884f5ff6247aeabb786b93bce 61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4`,
    plaintext: `45000048699a000080114db7c0a80102 c0a801010a9bf15638d3010000010000 00000000045f736970045f7564700373
      69700963796265726369747902646b00 0021000101020201`,
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 17405e67, number 156f3126 dd0db99b, 256 bits',
    encr: AES_GCM_16,
    keyBits: 256,
    key: 'abbccddef00112233445566778899aababbccddef00112233445566778899aab 73616c74',
    high: 0x156f_3126,
    packet: `17405e67dd0db99b616e640169766563 f2d69ecdbd5a0d5b8d5ef38bad4da58d 1f278fde98ef67549d524a3018d9a57f
      f4d3a31ce673119e 451626c2415771e3b7eebca614c89b35`,
    plaintext: '45080028732c00004006e9f90a010612 0a01038f06b88023dd6bafbecb712602 50101f646d540001',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 §4, SPI 796b6963, the last 64-bit number',
    encr: AES_GCM_16,
    keyBits: 256,
    key: '6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961 7475726e',
    high: 0xffff_ffff,
    packet: `796b6963ffffffff333021696765746d f97ab2aa356d8edce17644ac8c78e25d d24dedbb29ebf1b64a274b39b49c3a86
      4cd3d78ca4ae68a32b42458fb57dbe82 1dcc63b9 d0937ba2945f669368661a329fb4c053`,
    plaintext: '45000030da3a00008001df3bc0a80005 c0a800010800c6cd0200070061626364 65666768696a6b6c6d6e6f7071727374 01020201',
  },
  {
    source: 'RFC 7634 Appendix A',
    encr: CHACHA20_POLY1305,
    keyBits: 0,
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3',
    packet: `01020304000000051011121314151617 24039428b97f417e3c13753a4f05087b 67c352e6a7fab1b982d466ef407ae5c6
      14ee8099d52844eb61aa95dfab4c02f7 2aa71e7c4c4f64c9befe2facc638e8f3 cbec163fac469b502773f6fb94e664da
      9165b82829f641e0 76aaa8266b7fb0f7b11b369907e1ad43`,
    plaintext: `45000054a6f200004001e778c6336405 c000020508005b7a3a080000553bec10 0007362708090a0b0c0d0e0f10111213
      1415161718191a1b1c1d1e1f20212223 2425262728292a2b2c2d2e2f30313233 3435363701020204`,
  },
]

export const cbcPackets: readonly EspVector[] = [
  {
    source: 'RFC 3602 §4 case 5 (transport mode)',
    encr: AES_CBC,
    keyBits: 128,
    key: '90d382b410eeba7ad938c46cec1a82bf',
    packet: `0000432100000001 e96e8c08ab465763fd098d45dd3ff893 f663c25d325c18c6a9453e194e120849 a4870b66cc6b9965330013b4898dc856
      a4699e523a55db080b59ec3a8e4b7e52 775b07d1db34ed9c538ab50c551b874a a269add047ad2d5913ac19b7cfbad4a6`,
    plaintext: `08000ebda70a00008e9c083db95b0700 08090a0b0c0d0e0f1011121314151617 18191a1b1c1d1e1f2021222324252627
      28292a2b2c2d2e2f3031323334353637 0102030405060708090a0b0c0d0e0e01`,
  },
  {
    source: 'RFC 3602 §4 case 7 (tunnel mode)',
    encr: AES_CBC,
    keyBits: 128,
    key: '0123456789abcdef0123456789abcdef',
    packet: `0000876500000002 f4e765244f6407adf13dc1380f673f37 773b5241a4c449225e4f3ce5ed611b0c 237ca96cf74a93013c1b0ea1a0cf70f8
      e4ecaec78ac53aad7a0f022b859243c6 47752e94a859352b8a4d4d2decd136e5 c177f132ad3fbfb2201ac9904c74ee0a
      109e0ca1e4dfe9d5a100b842f1c22f0d`,
    plaintext: `4500005409040000 4001f988c0a87b03 c0a87bc808009f76 a90a0100b49c083d 02a2040008090a0b0c0d0e0f1011121314151617
      18191a1b1c1d1e1f2021222324252627 28292a2b2c2d2e2f3031323334353637 0102030405060708090a0a04`,
  },
]
