/**
 * Certificates in IKE messages: which authorities we ask for, which certificate of ours we show, and what a client shows us.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, equalBytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { nameKey } from '../context/distinguished-name.ts'
import { equalIdentity, idType } from '../context/identity.ts'
import type { Identity } from '../context/session-context.ts'
import type { OwnCertificate, VpnConfiguration } from '../context/vpn-configuration.ts'
import type { Certificate } from '../pki/certificate.ts'
import { decodeCertificate } from '../pki/certificate.ts'
import type { PublicKey } from '../pki/algorithms.ts'
import { mayHaveSigned, trustOf } from '../pki/trust.ts'
import { certificateEncoding, requestHashes } from './wire/certificates.ts'
import type { Payload } from './wire/payloads.ts'

/** More authorities than so are not named one by one: the answer to IKE_SA_INIT goes to somebody who has shown nothing yet. */
const maximumRequested = 32
/** A chain is this long at most; what stands behind is not looked at. */
const maximumSent = 8

/** CERTREQ for the clients of the configuration: the authorities of connections whose clients have certificates; null: there are none. */
export function certificateRequest(crypto: IkeCrypto, vpn: VpnConfiguration): Payload | null {
  const asking = vpn.connections.filter(({ remote }) => remote.auth === 'pubkey').map(({ remote }) => remote.cacerts)
  if (asking.length === 0) return null
  const wanted = (name: string): boolean => asking.some((names) => names.length === 0 || names.includes(name))
  const hashes = trustOf(crypto, vpn.authorities)
    .filter(({ name }) => wanted(name))
    .map(({ requestHash }) => requestHash)
  const data = hashes.length > maximumRequested ? new Uint8Array(0) : concat(...hashes)
  return { type: 'certReq', encoding: certificateEncoding.x509Signature, data }
}

/** What the client shows: its certificate first. Those of other encodings, and whatever is none, are passed over. */
export function certificatesOf(payloads: readonly Payload[]): Certificate[] {
  const sent = payloads.filter((payload) => payload.type === 'cert').slice(0, maximumSent)
  return sent.flatMap(({ encoding, data }) => {
    return encoding === certificateEncoding.x509Signature ? (decodedOrNull(decodeCertificate, data) ?? []) : []
  })
}

/** A certificate of ours, ready to be shown. */
export interface ShownCertificate {
  readonly own: OwnCertificate
  readonly key: PublicKey
}

/** Our certificates of these names: first those that lead to an authority that the client has asked for, if any (RFC 7296 §3.7). */
export function ownCertificates(
  env: { readonly crypto: IkeCrypto; readonly vpn: VpnConfiguration },
  names: readonly string[],
  payloads: readonly Payload[],
): ShownCertificate[] {
  const asked = payloads.flatMap((payload) => (payload.type === 'certReq' ? requestHashes(payload) : []))
  const trust = trustOf(env.crypto, env.vpn.authorities).filter(({ requestHash }) => isOneOf(asked, requestHash))
  const shown: ShownCertificate[] = []
  const others: ShownCertificate[] = []
  for (const name of names) {
    const own = env.vpn.certificates.find((one) => one.name === name)
    const chain = own?.chain.flatMap((der) => decodedOrNull(decodeCertificate, der) ?? []) ?? []
    const key = chain[0]?.key ?? null
    if (own === undefined || key === null) continue
    const isAsked = chain.some((one) => isOneOf(asked, env.crypto.sha1(one.spki)) || trust.some((ca) => mayHaveSigned(one, ca.certificate)))
    if (isAsked) shown.push({ own, key })
    else others.push({ own, key })
  }
  return [...shown, ...others]
}

function isOneOf(hashes: readonly Bytes[], hash: Bytes): boolean {
  return hashes.some((one) => equalBytes(one, hash))
}

/** Which identities a certificate is proof of: its subject, and its alternative names (RFC 4945 §3.1). Wildcards in them mean nothing. */
export function isNamedBy(certificate: Certificate, identity: Identity): boolean {
  if (identity.type === idType.derAsn1Dn && nameKey(identity.data) === certificate.subjectKey) return true
  return certificate.alternativeNames.some((name) => equalIdentity(name, identity))
}
