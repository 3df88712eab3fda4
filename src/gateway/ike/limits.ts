/** What bounds IKE on a gateway: `ike` in gateway.yaml. docs/configuration.md has the reasons of the defaults. */

export interface IkeLimits {
  /** The longest IP datagram, in octets, that a message for a client with fragmentation (RFC 7383) leaves in. */
  readonly fragmentSize: number
}

export const defaultIkeLimits: IkeLimits = {
  fragmentSize: 1280,
}
