/**
 * Users of EAP: who a name stands for. A name is taken without regard to ASCII case; Windows puts a domain in front of it (`EXAMPLE\alice`):
 * a secret for just that name comes first, then one for the name without its domain.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../kit/bytes.ts'
import type { Sealer } from '../../kit/sealer.ts'
import { anyIdentity, equalIdentity, formatIdentity, idType, matchesIdentity } from '../../context/identity.ts'
import { isUserSecret, secretField } from '../../context/sealed-parts.ts'
import type { Identity } from '../../context/session-context.ts'
import type { ConnectionConfiguration, SharedSecret, VpnConfiguration } from '../../context/vpn-configuration.ts'
import { withoutDomain } from './mschapv2.ts'

export interface User {
  /** As the configuration spells it: one for all spellings of the client's. */
  readonly identity: Identity
  readonly secret: SharedSecret
}

type Users = ReadonlyMap<string, User>

/** Made once for each configuration: whether a name is known shows in no search that takes longer or shorter. */
const usersOf = new WeakMap<VpnConfiguration, Users>()

function listUsers(vpn: VpnConfiguration): Users {
  const known = usersOf.get(vpn)
  if (known !== undefined) return known
  const users = new Map<string, User>()
  for (const secret of vpn.secrets) {
    if (!isUserSecret(secret.name)) continue
    for (const id of secret.ids) users.set(id.toLowerCase(), { identity: userIdentity(toUtf8(id)), secret })
  }
  usersOf.set(vpn, users)
  return users
}

/** Null: nobody has this name. */
export function findUser(vpn: VpnConfiguration, name: Bytes): User | null {
  const users = listUsers(vpn)
  return users.get(fromUtf8(name).toLowerCase()) ?? users.get(userKey(name)) ?? null
}

/** Of the name without its domain, in lower case. */
export function userKey(name: Bytes): string {
  return fromUtf8(withoutDomain(name)).toLowerCase()
}

/** A user name as an identity: a mail address, or just a name. */
export function userIdentity(name: Bytes): Identity {
  return { type: name.includes(atSign) ? idType.rfc822 : idType.fqdn, data: name }
}

const atSign = 0x40

/** The name of an identity of IKE, for a connection whose users go by it. */
export function nameOf(identity: Identity): Bytes {
  const isText = identity.type === idType.fqdn || identity.type === idType.rfc822 || identity.type === idType.keyId
  return isText ? identity.data : toUtf8(formatIdentity(identity))
}

/** Whether a connection's `eap_id` leaves open who the user is, so that the client has to be asked. */
export function isUserPattern(eapId: string): boolean {
  return eapId === anyIdentity || eapId.includes('*')
}

/** Whether a connection's `eap_id` takes the name, with its domain or without. */
export function matchesUser(eapId: string, name: Bytes): boolean {
  const spellings = [name, withoutDomain(name)]
  if (isUserPattern(eapId)) return spellings.some((one) => matchesIdentity(eapId, userIdentity(one)))
  return spellings.some((one) => fromUtf8(one).toLowerCase() === eapId.toLowerCase())
}

/** Whether who logged in as this user could log in now. */
export function isStillUser(vpn: VpnConfiguration, { remote }: ConnectionConfiguration, identity: Identity): boolean {
  const user = findUser(vpn, identity.data)
  const { eapId = '' } = remote
  return user !== null && equalIdentity(user.identity, identity) && (eapId === '' || matchesUser(eapId, identity.data))
}

/**
 * The NT hash of a user's password; null: there is no such user, or his secret does not open. Of nobody another's is opened all the same: it
 * takes as long.
 */
export function openNtHash(sealer: Sealer, vpn: VpnConfiguration, user: User | null): Bytes | null {
  const { secret } = user ?? [...listUsers(vpn).values()][0] ?? {}
  if (secret === undefined) return null
  const hash = sealer.open(secretField(secret.name), secret.secret)
  return user === null ? null : hash
}
