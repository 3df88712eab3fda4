/**
 * Whom a certificate speaks for: its subjectAltName holds exactly one `URI:evpc://<cluster>/gateway/<id>`. That it was issued by the cluster's
 * CA is checked by TLS; this tells one server from another, and one cluster from another that shares a CA.
 */

export interface PeerIdentity {
  readonly cluster: string
  readonly server: string
}

const name = '[A-Za-z0-9._-]{1,64}'
const uri = new RegExp(`^URI:evpc://(${name})/gateway/(${name})$`)

/** Whether it can stand in an identity: 1 to 64 letters, digits, `.`, `_`, `-`. */
export function isIdentityName(text: string): boolean {
  return new RegExp(`^${name}$`).test(text)
}

export function identityUri(identity: PeerIdentity): string {
  return `evpc://${identity.cluster}/gateway/${identity.server}`
}

/**
 * Reads node:tls's form of the subjectAltName, `URI:…, DNS:…`. Null when there is none of ours, or more than one, or a name in quotes: Node
 * quotes names that hold commas, and such a one could pretend to be two.
 */
export function peerIdentity(subjectAltName: string | undefined): PeerIdentity | null {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return null
  const ours = subjectAltName.split(', ').filter((alternative) => alternative.startsWith('URI:evpc:'))
  const match = ours.length === 1 ? uri.exec(ours[0]!) : null
  return match === null ? null : { cluster: match[1]!, server: match[2]! }
}
