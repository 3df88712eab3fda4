/** Keywords of swanctl.conf that mean nothing here, so that they are not taken for slips of the pen. */

/** RFC 8247 and RFC 8221 say MUST NOT or, of groups whose primes nobody can explain, SHOULD NOT. */
const broken = new Set(
  (
    'des blowfish blowfish128 blowfish192 blowfish256 cast128 md5 md5_128 prfmd5 ' +
    'modpnull modp768 modp1024s160 modp2048s224 modp2048s256 ecp192 ecp224 ecp224bp ntru112'
  ).split(' '),
)

/** Sound, or not yet known not to be. */
const missing: readonly RegExp[] = [
  /^aes(128|192|256)(gcm(8|12|64|96)|ccm(8|12|16|64|96|128)?|gmac)$/,
  /^chacha20poly1305compat$/,
  /^camellia(128|192|256)?(ctr|ccm(8|12|16|64|96|128)?)?$/,
  /^(serpent|twofish)(128|192|256)?$/,
  /^(prf)?(aesxcbc|aescmac|camelliaxcbc)$/,
  /^(sha1_160|sha256_96|sha2_256_96)$/,
  /^(modp6144|modp8192|ecp256bp|ecp384bp|ecp512bp|x448|curve448)$/,
  /^(ke[1-7]_.+|mlkem(512|768|1024)|ntru(128|192|256)|newhope128|kyber[135]|frodo[as][135]|bike[135]|hqc[135])$/,
]

/** An algorithm that nobody gets, not even by its name. */
export function isBroken(word: string): boolean {
  return broken.has(word)
}

/** An algorithm that strongSwan has and this does not. */
export function isMissing(word: string): boolean {
  return missing.some((pattern) => pattern.test(word))
}
