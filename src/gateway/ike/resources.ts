/**
 * What this gateway's IKE draws on and no one may use twice: initialization vectors, SPIs, virtual addresses.
 *
 * Vectors are incarnation (32 bits) ‖ counter (32 bits), SPIs of IKE SAs incarnation ‖ random: no other process and no other life of this
 * one makes the same. SPIs of Child SAs come from ranges leased by the log. Addresses are taken by the commit; meanwhile those in our own
 * proposals are promised.
 */

import { assert } from '../../kit/assert.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { dataView, fromHex, toHex } from '../../kit/bytes.ts'
import type { PoolConfiguration } from '../../context/vpn-configuration.ts'
import { holderKey } from '../../context/holder.ts'
import type { Claimant, IkeEnvironment } from '../../ike/decision.ts'
import { SPI_RANGE_SIZE } from '../../session/claims.ts'
import { addressHolders, isAddressFree, sessionByIkeSpi, sessionBySpi, sessionsOfHolder } from '../../session/view.ts'
import type { Now } from '../clock.ts'
import { chooseAddress } from './address-choice.ts'
import { FailedLogins } from './failed-logins.ts'
import type { IkeSurroundings } from './surroundings.ts'

/** When so few SPIs of the range are left, the next range is asked for. */
const SPI_RESERVE = 4096
/** From here on the incarnation's vectors are all but used up; what is left lasts until the next tick and far beyond. */
export const LAST_VECTORS = 0xffff_0000

export class IkeResources {
  readonly #o: IkeSurroundings
  /** Virtual addresses named in proposals whose outcome is not known yet, in hexadecimal. */
  readonly #promised = new Set<string>()
  readonly #failedLogins = new FailedLogins()
  #incarnation = 0
  #ivCounter = 0
  #nextSpi = 0
  #lastSpi = 0
  #isLeasing = false

  constructor(surroundings: IkeSurroundings) {
    this.#o = surroundings
  }

  get incarnation(): number {
    return this.#incarnation
  }

  /** A new incarnation of ours with its first range of SPIs (null: none was left); 0: the last one ended. */
  begin(incarnation: number, firstSpi: number | null, firstVector = 0): void {
    this.#incarnation = incarnation
    this.#ivCounter = firstVector
    this.#setRange(firstSpi)
    this.#promised.clear()
    this.#isLeasing = false
  }

  /** What it will hand out next. */
  inspect(): unknown {
    return [this.#incarnation, this.#ivCounter, this.#nextSpi, this.#lastSpi, this.#isLeasing, [...this.#promised]]
  }

  /** Comes up anew before the incarnation's vectors are used up: not in the middle of a decision. */
  tick(): void {
    if (this.#incarnation !== 0 && this.#ivCounter >= LAST_VECTORS) this.#o.exhausted()
  }

  /** What a decision may draw on. The addresses that it chose, in hexadecimal, are added to `addresses`. */
  environment(now: Now, addresses: Set<string>): IkeEnvironment {
    const { state, crypto, random, sealer } = this.#o
    return {
      crypto,
      random,
      sealer,
      vpn: this.#o.vpn(),
      nowMs: now.wallMs,
      fragmentSize: this.#o.limits.fragmentSize,
      // Few decisions ask for them.
      get addresses() {
        return addressHolders(state).flatMap(({ address, gateway }) => (gateway === null ? [] : [fromHex(address)!]))
      },
      nextIv: () => this.#nextIv(),
      newIkeSpi: () => this.#newIkeSpi(),
      newChildSpi: () => this.#newChildSpi(),
      chooseAddress: (pool, wanted, claimant) => {
        const address = this.#chooseAddress(pool, wanted, claimant)
        if (address !== null) addresses.add(toHex(address))
        return address
      },
      sessionsOf: (holder) => sessionsOfHolder(this.#o.state, holderKey(holder)).length,
      logins: {
        waitMs: (user, source) => this.#failedLogins.waitMs(user, source, now.monotonicMs),
        failed: (user, source) => {
          this.#o.counters.add('login-failed', 1)
          this.#failedLogins.failed(user, source, now.monotonicMs)
        },
        succeeded: (user, source) => this.#failedLogins.succeeded(user, source),
      },
    }
  }

  /** No other decision here chooses these until they are released. */
  promise(addresses: Iterable<string>): void {
    for (const address of addresses) this.#promised.add(address)
  }

  release(addresses: Iterable<string>): void {
    for (const address of addresses) this.#promised.delete(address)
  }

  #nextIv(): Bytes {
    assert(this.#incarnation !== 0, 'only an incarnation has initialization vectors')
    assert(this.#ivCounter <= 0xffff_ffff, `the initialization vectors of incarnation ${this.#incarnation} are used up`)
    const iv = new Uint8Array(8)
    const view = dataView(iv)
    view.setUint32(0, this.#incarnation)
    view.setUint32(4, this.#ivCounter)
    this.#ivCounter += 1
    return iv
  }

  #newIkeSpi(): bigint {
    for (;;) {
      const spi = (BigInt(this.#incarnation) << 32n) | BigInt(this.#o.random.uint32())
      if (sessionByIkeSpi(this.#o.state, spi) === null) return spi
    }
  }

  /** 0 while there is none: the next range is asked for. */
  #newChildSpi(): number {
    if (this.#lastSpi - this.#nextSpi < SPI_RESERVE && !this.#isLeasing) this.#leaseSpis()
    for (let spi = this.#nextSpi; spi < this.#lastSpi; spi++) {
      if (sessionBySpi(this.#o.state, spi) !== null) continue
      this.#nextSpi = spi + 1
      return spi
    }
    return 0
  }

  #leaseSpis(): void {
    this.#isLeasing = true
    const incarnation = this.#incarnation
    this.#o.proposals.propose(
      { type: 'lease-spis', incarnation },
      {
        repeat: true,
        applied: (result) => {
          if (incarnation !== this.#incarnation) return
          this.#isLeasing = false
          if (result.type === 'spis') this.#setRange(result.firstSpi)
        },
      },
    )
  }

  #setRange(firstSpi: number | null): void {
    this.#nextSpi = firstSpi ?? 0
    this.#lastSpi = firstSpi === null ? 0 : firstSpi + SPI_RANGE_SIZE
  }

  #chooseAddress(pool: PoolConfiguration, wanted: Bytes | null, { holder, replaces }: Claimant): Bytes | null {
    const key = holder === null ? null : holderKey(holder)
    const isFree = (address: Bytes): boolean => !this.#promised.has(toHex(address)) && isAddressFree(this.#o.state, address, key, replaces)
    const { reserved } = this.#o.state
    return chooseAddress(pool.ranges, {
      wanted,
      holder: key,
      reserved: key === null ? [] : reserved.of(key).map((address) => fromHex(address)!),
      isFree,
      isKept: (address) => reserved.isKeptFrom(address, key),
      random: this.#o.random,
    })
  }
}
