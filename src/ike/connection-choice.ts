/**
 * Which connection and which secret an IKE_AUTH request is for.
 *
 * The connection whose remote pattern names the client most exactly, of those that allow the IKE SA's algorithms, take the kind of proof
 * that the client offers, and speak with the identity that the client asked for (IDr). The secret likewise: the most exact one for the
 * client, then one that names us.
 */

import type { Bytes } from '../kit/bytes.ts'
import { matchesIdentity, anyIdentity, idType, parseIdentity, patternPrecision } from '../context/identity.ts'
import type { Endpoint, Identity, IkeSuite } from '../context/session-context.ts'
import { secretField } from '../context/sealed-parts.ts'
import type { ConnectionConfiguration, SharedSecret, VpnConfiguration } from '../context/vpn-configuration.ts'
import type { IkeEnvironment } from './decision.ts'
import { allowsIkeSuite } from './proposal-selection.ts'

/** What a client's first IKE_AUTH request offers as proof: by its AUTH payload's method, or, without one, EAP (RFC 7296 §2.16). */
export type ClientProof = 'psk' | 'pubkey' | 'eap'

export interface Peers {
  readonly client: Identity
  /** The identity that the client wants us to have; null: any. */
  readonly wanted: Identity | null
  readonly suite: IkeSuite
  readonly proof: ClientProof
}

/** Who speaks with whom, once the connection is chosen. */
export interface Parties {
  readonly connection: ConnectionConfiguration
  /** Who the client says it is. */
  readonly client: Identity
  readonly own: Identity
}

/** Null: no connection is for this client. */
export function chooseConnection(env: IkeEnvironment, peers: Peers): ConnectionConfiguration | null {
  let best: ConnectionConfiguration | null = null
  for (const connection of env.vpn.connections) {
    if (!allowsIkeSuite(connection.ikeProposals, peers.suite)) continue
    if (proofOf(connection.remote) !== peers.proof) continue
    if (peers.wanted !== null && !matchesIdentity(connection.local.id, peers.wanted)) continue
    if (!matchesIdentity(connection.remote.id, peers.client)) continue
    if (best === null || patternPrecision(connection.remote.id) > patternPrecision(best.remote.id)) best = connection
  }
  return best
}

function proofOf({ auth }: ConnectionConfiguration['remote']): ClientProof {
  return auth === 'eap-mschapv2' ? 'eap' : auth
}

/** The identity that we answer with: the configured one; if that is a pattern, what the client wanted; else our address. */
export function ownIdentity(connection: ConnectionConfiguration, wanted: Identity | null, local: Endpoint): Identity {
  if (patternPrecision(connection.local.id) === 2) return parseIdentity(connection.local.id)
  return wanted ?? { type: local.address.length === 4 ? idType.ipv4 : idType.ipv6, data: local.address }
}

export interface ChosenSecret {
  readonly secret: Bytes
  /** Whether the secret belongs to this one client: only then does knowing it prove who the client is. */
  readonly personal: boolean
}

/** The unsealed pre-shared key for the two identities; null when there is none, or it does not open. */
export function chooseSecret(env: IkeEnvironment, own: Identity, client: Identity): ChosenSecret | null {
  let best: SharedSecret | null = null
  let bestScore = -1
  for (const secret of env.vpn.secrets) {
    // As in swanctl.conf, the name's prefix tells what a secret is for.
    if (!secret.name.startsWith('ike')) continue
    const score = secretScore(secret, own, client)
    if (score > bestScore) [best, bestScore] = [secret, score]
  }
  if (best === null) return null
  const secret = env.sealer.open(secretField(best.name), best.secret)
  return secret === null ? null : { secret, personal: isPersonal(best, own, client) }
}

/** Whether there is a pre-shared key for a client of the connection. Its value may be another one than when the client came. */
export function hasSecret(vpn: VpnConfiguration, { local }: ConnectionConfiguration, client: Identity): boolean {
  // Of an identity of ours that is a pattern we don't know what the client made of it.
  const own = patternPrecision(local.id) === 2 ? parseIdentity(local.id) : client
  return vpn.secrets.some((secret) => secret.name.startsWith('ike') && secretScore(secret, own, client) >= 0)
}

/** −1: not for these. Naming the client counts more than naming us, which counts more than naming nobody. */
function secretScore(secret: SharedSecret, own: Identity, client: Identity): number {
  if (secret.ids.length === 0) return 0
  const forClient = secret.ids.filter((id) => matchesIdentity(id, client))
  if (forClient.length > 0) return 2 + Math.max(...forClient.map(patternPrecision))
  return secret.ids.some((id) => matchesIdentity(id, own)) ? 1 : -1
}

function isPersonal(secret: SharedSecret, own: Identity, client: Identity): boolean {
  const others = secret.ids.filter((id) => id === anyIdentity || !matchesIdentity(id, own))
  const [only] = others
  if (only === undefined || others.length !== 1) return false
  return patternPrecision(only) === 2 && matchesIdentity(only, client)
}
