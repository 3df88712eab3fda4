/** What bounds IKE on a gateway: `ike` in gateway.yaml. docs/configuration.md has the reasons of the defaults. */

export interface IkeLimits {
  /** The longest IP datagram, in octets, that a message for a client with fragmentation (RFC 7383) leaves in. */
  readonly fragmentSize: number
  /**
   * With so many sessions of the cluster whose client has not authenticated, or of one source (an IPv4 address, an IPv6 /64), a new one first
   * has to show that it is where it says (RFC 7296 §2.6).
   */
  readonly cookieFrom: number
  readonly cookieFromSource: number
  /** With so many no further one is begun. */
  readonly halfOpen: number
  readonly halfOpenPerSource: number
  /** Time for the key exchanges of new sessions, in ms of the main thread's every second. */
  readonly keyExchangeMs: number
  /** Exchanges of one session a second that this gateway does; it may have had few for some seconds. */
  readonly exchangesPerSecond: number
}

export const defaultIkeLimits: IkeLimits = {
  fragmentSize: 1280,
  cookieFrom: 1000,
  cookieFromSource: 32,
  halfOpen: 20_000,
  halfOpenPerSource: 512,
  keyExchangeMs: 300,
  exchangesPerSecond: 10,
}
