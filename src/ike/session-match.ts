/**
 * Whether a session that is up could come up under this configuration, too. The configuration changes while sessions live: who was let in by
 * what is no longer there - a connection, an authority, a secret, a pool - or has been revoked must not stay in.
 *
 * Only what is certain counts: a revocation list that is merely old ends nobody's session, and a session that still fits is not touched.
 */

import { equalBytes } from '../kit/bytes.ts'
import { rangeContains } from '../context/address.ts'
import { matchesIdentity } from '../context/identity.ts'
import type { CertificateName, SessionContext } from '../context/session-context.ts'
import type { ConnectionConfiguration, VpnConfiguration } from '../context/vpn-configuration.ts'
import { serialKey } from '../pki/certificate-list.ts'
import type { Authority, PkiCrypto } from '../pki/trust.ts'
import { trustOf } from '../pki/trust.ts'
import { hasSecret } from './connection-choice.ts'
import { isStillUser } from './eap/users.ts'

/** The context is an established session's. */
export function stillMatches(env: { readonly crypto: PkiCrypto; readonly vpn: VpnConfiguration }, context: SessionContext): boolean {
  const connection = env.vpn.connections.find(({ name }) => name === context.connection)
  if (connection === undefined || !hasItsAddresses(env.vpn, connection, context)) return false
  return isLetIn(env, connection, context)
}

/**
 * An address that its connection has in no pool any more may be another network's tomorrow, and routes to it are gone today: the client is
 * told DELETE, and gets one of those that there are when it connects again.
 */
function hasItsAddresses({ pools }: VpnConfiguration, connection: ConnectionConfiguration, { virtualIps }: SessionContext): boolean {
  const ranges = pools.filter(({ name }) => connection.pools.includes(name)).flatMap((pool) => pool.ranges)
  return virtualIps.every((address) => ranges.some((range) => rangeContains(range, address)))
}

function isLetIn(
  env: { readonly crypto: PkiCrypto; readonly vpn: VpnConfiguration },
  connection: ConnectionConfiguration,
  { identity, credential }: SessionContext,
): boolean {
  if (identity === null) return false
  const isNamed = matchesIdentity(connection.remote.id, identity)
  switch (connection.remote.auth) {
    case 'psk':
      return isNamed && credential === null && hasSecret(env.vpn, connection, identity)
    case 'pubkey':
      if (!isNamed || credential?.type !== 'certificate') return false
      return isStillTrusted(trustOf(env.crypto, env.vpn.authorities), connection, credential.chain)
    case 'eap-mschapv2':
      // The identity is the user's; the client's of IKE, which `remote.id` is about, is not kept.
      return credential?.type === 'user' && isStillUser(env.vpn, connection, identity)
  }
}

/** `chain`: see `Credential`. Authorities that are not in the configuration came from the client, and nothing is known of them. */
function isStillTrusted(trust: readonly Authority[], { remote }: ConnectionConfiguration, chain: readonly CertificateName[]): boolean {
  const issuers = chain.map(({ issuer }) => trust.filter(({ keyId }) => equalBytes(keyId, issuer)))
  const isAnchored = issuers.at(-1)?.some(({ isAnchor }) => isAnchor) ?? false
  const isWanted = remote.cacerts.length === 0 || issuers.flat().some(({ name }) => remote.cacerts.includes(name))
  const isRevoked = chain.some(({ serial }, i) => issuers[i]!.some(({ lists }) => lists.at(-1)?.revoked.has(serialKey(serial)) ?? false))
  return isAnchored && isWanted && !isRevoked
}
