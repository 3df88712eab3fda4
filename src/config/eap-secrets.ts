/**
 * Secrets of users who log in with EAP-MSCHAPv2: `eap-NAME` with a password, `ntlm-NAME` with its NT hash, as in swanctl.conf. What leaves
 * this file is the NT hash, sealed for the field `nt-hash/<name>`: the password itself is kept nowhere.
 */

import { ntHash, ntHashOctets } from '../crypto/nt-hash.ts'
import { isUserSecret, secretField } from '../context/sealed-parts.ts'
import type { SharedSecret } from '../context/vpn-configuration.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes, fromHex, fromUtf8, toUtf8 } from '../kit/bytes.ts'
import type { KeyEntry, SecretEntry } from './secret-shape.ts'
import type { Place } from './yaml-shape.ts'
import { placeOf, quote, reject } from './yaml-shape.ts'

/** RFC 2759 §4: "a string of 0 to (theoretically) 256 case-sensitive Unicode characters". */
const maximumPasswordCharacters = 256
/** A user name has to fit into one MS-CHAPv2 packet. */
const maximumUserOctets = 255

/** The NT hash of a user's secret; null: it is none, or a password of a form that there can't be. */
function hashOf(name: string, { secret, isText }: SecretEntry): Bytes | null {
  if (!name.startsWith('ntlm')) {
    const password = fromUtf8(secret)
    return equalBytes(toUtf8(password), secret) && password.length <= maximumPasswordCharacters ? ntHash(password) : null
  }
  const octets = isText ? fromHex(fromUtf8(secret)) : secret
  return octets?.length === ntHashOctets ? octets : null
}

/** One that `userSecretsAreGood` has not refused. `seal` as in vpn-config.ts. */
export function sealUserSecret(name: string, entry: SecretEntry, seal: (field: string, plaintext: Bytes) => Bytes): SharedSecret {
  return { name, ids: entry.ids, secret: seal(secretField(name), hashOf(name, entry) ?? new Uint8Array(ntHashOctets)) }
}

/** Each user has one name or more of his own, without regard to case, and a secret that makes a hash. */
export function userSecretsAreGood(secrets: ReadonlyMap<string, SecretEntry | KeyEntry>, top: Place): void {
  const owners = new Map<string, string>()
  for (const [name, entry] of secrets) {
    if (entry.type === 'key' || !isUserSecret(name)) continue
    if (hashOf(name, entry) === null) reject(placeOf(top, 'secrets', name, 'secret'), expectedSecret(name), 'something else')
    if (entry.ids.length === 0) reject(placeOf(top, 'secrets', name), 'the key id: the name of the user', 'no such key')
    for (const id of entry.ids) {
      const owner = owners.get(id.toLowerCase())
      if (owner !== undefined) reject(placeOf(top, 'secrets', name), `a user that secrets.${owner} is not for`, quote(id))
      const isName = !id.includes('*') && toUtf8(id).length <= maximumUserOctets
      if (!isName) reject(placeOf(top, 'secrets', name), `the name of one user, of at most ${maximumUserOctets} octets`, quote(id))
      owners.set(id.toLowerCase(), name)
    }
  }
}

function expectedSecret(name: string): string {
  return name.startsWith('ntlm')
    ? `an NT hash of ${ntHashOctets} octets: hexadecimal digits, with 0x or without, or 0s and base64`
    : `a password of at most ${maximumPasswordCharacters} characters`
}
