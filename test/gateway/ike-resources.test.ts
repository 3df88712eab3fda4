import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { poolDefaults } from '../../src/context/vpn-configuration.ts'
import { parseRange } from '../../src/context/address.ts'
import { emptyVpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { Counters } from '../../src/gateway/counters.ts'
import { ExchangeCounts } from '../../src/gateway/ike/exchange-counts.ts'
import { addToAddress, chooseAddress, rangeSize } from '../../src/gateway/ike/address-choice.ts'
import { IkeResources, LAST_VECTORS } from '../../src/gateway/ike/resources.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import type { IkeSurroundings } from '../../src/gateway/ike/surroundings.ts'
import { Proposals } from '../../src/gateway/proposals.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView, toHex } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { createState } from '../../src/session/state.ts'
import { bringUp, establish } from '../support/contexts.ts'

const now = { monotonicMs: 0, wallMs: 0 }

function make() {
  const appended: number[] = []
  let exhausted = 0
  const state = createState()
  const surroundings: IkeSurroundings = {
    self: 'sg1',
    state,
    crypto: nodeIkeCrypto,
    random: new SeededRandom(1),
    sealer: { seal: (_field, plaintext) => plaintext, open: (_field, blob) => blob },
    steeringKeys: () => [new Uint8Array(32)],
    limits: defaultIkeLimits,
    addresses: [],
    proposals: new Proposals((serial) => appended.push(serial)),
    counters: new Counters(),
    exchanges: new ExchangeCounts(),
    vpn: () => emptyVpnConfiguration,
    packetOctets: 1500,
    countsOf: () => null,
    send: () => undefined,
    forward: () => undefined,
    leftSite: () => undefined,
    isLeaving: () => false,
    clientWaits: null,
    exhausted: () => (exhausted += 1),
  }
  const resources = new IkeResources(surroundings)
  return {
    resources,
    surroundings,
    state,
    appended,
    exhausted: () => exhausted,
    env: (addresses = new Set<string>()) => resources.environment(now, addresses),
  }
}

test('an initialization vector is incarnation ‖ counter: never twice in a life, and never in another', () => {
  const { resources, env } = make()
  const seen = new Set<string>()
  for (const incarnation of [7, 8]) {
    resources.begin(incarnation, 65_536)
    for (let i = 0; i < 100; i++) {
      const iv = env().nextIv()
      assert.equal(dataView(iv).getUint32(0), incarnation)
      seen.add(toHex(iv))
    }
  }
  assert.equal(seen.size, 200)
})

test('used-up vectors end the incarnation at the next tick, not in the middle of a decision, and never begin anew', () => {
  const { resources, env, exhausted } = make()
  resources.begin(7, 65_536, LAST_VECTORS - 1)
  resources.tick()
  assert.equal(exhausted(), 0)
  env().nextIv()
  assert.equal(exhausted(), 0)
  resources.tick()
  assert.equal(exhausted(), 1)
  resources.begin(7, 65_536, 0xffff_ffff)
  assert.equal(toHex(env().nextIv()), '00000007ffffffff')
  assert.throws(() => env().nextIv(), /used up/)
  resources.begin(0, null)
  assert.throws(() => env().nextIv(), /only an incarnation/)
})

test('SPIs of Child SAs come once each from the leased range; before it is used up the next one is asked for, once', () => {
  const { resources, surroundings, env, appended } = make()
  const first = 3 * 65_536
  resources.begin(1, first)
  const seen = new Set<number>()
  for (let i = 0; i < 65_536; i++) seen.add(env().newChildSpi())
  assert.equal(seen.size, 65_536)
  assert.equal(Math.min(...seen), first)
  assert.deepEqual(appended, [1])
  assert.equal(env().newChildSpi(), 0, 'none is left')
  surroundings.proposals.applied(1, { type: 'refused', reason: 'no-spi-range' }, now)
  assert.equal(env().newChildSpi(), 0)
  assert.deepEqual(appended, [1, 2], 'asked again')
  surroundings.proposals.applied(2, { type: 'spis', firstSpi: 9 * 65_536 }, now)
  assert.equal(env().newChildSpi(), 9 * 65_536)
})

test('an SPI that lives already is passed over, and a range of an earlier life is not taken', () => {
  const { resources, surroundings, state, env } = make()
  const [incarnation] = bringUp(state, 'sg1') as [number]
  establish(state, incarnation, 1n, 65_536, Uint8Array.of(10, 0, 0, 1))
  resources.begin(1, 65_536)
  assert.equal(env().newChildSpi(), 65_537)
  resources.begin(1, 65_536 + 65_535)
  env().newChildSpi()
  resources.begin(2, 5 * 65_536)
  surroundings.proposals.applied(1, { type: 'spis', firstSpi: 77 * 65_536 }, now)
  assert.equal(env().newChildSpi(), 5 * 65_536)
})

test('an address that our own proposals name is promised until they are decided', () => {
  const { resources, env } = make()
  resources.begin(1, 65_536)
  const nobody = { holder: null, replaces: false }
  const pool = { ...poolDefaults, name: 'p', ranges: [parseRange('10.0.0.1-10.0.0.2')!], dns: [] }
  const chosen = new Set<string>()
  const first = env(chosen).chooseAddress(pool, null, nobody)!
  resources.promise(chosen)
  const second = env(chosen).chooseAddress(pool, first, nobody)!
  assert.notEqual(toHex(first), toHex(second))
  resources.promise(chosen)
  assert.equal(env().chooseAddress(pool, null, nobody), null)
  resources.release([toHex(first)])
  assert.equal(toHex(env().chooseAddress(pool, null, nobody)!), toHex(first))
})

test('a free address is found whenever there is one, the wanted one if it is', () => {
  const ranges = [parseRange('10.0.0.250-10.0.1.9')!, parseRange('fd00::fffe-fd00::1:1')!]
  const all = ranges.flatMap((range) => Array.from({ length: rangeSize(range) }, (_, i) => toHex(addToAddress(range.start, i))))
  assert.equal(all.length, 20)
  fc.assert(
    fc.property(fc.subarray(all), fc.integer(), fc.nat(19), (free, seed, wanted) => {
      const wish = addToAddress(ranges[wanted < 16 ? 0 : 1]!.start, wanted < 16 ? wanted : wanted - 16)
      const chosen = chooseAddress(ranges, {
        wanted: wish,
        holder: seed % 2 === 0 ? null : `holder ${seed}`,
        reserved: [],
        isFree: (address) => free.includes(toHex(address)),
        isKept: (address) => toHex(address) !== toHex(wish) && address.at(-1)! % 2 === 0,
        random: new SeededRandom(seed),
      })
      if (free.length === 0) return chosen === null
      if (free.includes(toHex(wish))) return chosen !== null && toHex(chosen) === toHex(wish)
      return chosen !== null && free.includes(toHex(chosen))
    }),
  )
})

for (const [range, size] of [
  ['10.0.0.1-10.0.0.1', 1],
  ['10.0.0.0/8', 2 ** 24],
  ['0.0.0.0/0', 2 ** 32],
  ['fd00::/64', 2 ** 32],
  ['fd00::/96', 2 ** 32],
  ['fd00::/112', 65_536],
] as const) {
  test(`the range ${range} has ${size} addresses to choose from`, () => assert.equal(rangeSize(parseRange(range)!), size))
}

test('an address that is kept since a restore is its holder’s first, and anybody’s only when nothing else is free', () => {
  const ranges = [parseRange('10.0.0.1-10.0.0.4')!]
  const [one, two, three, four] = [1, 2, 3, 4].map((last) => Uint8Array.of(10, 0, 0, last))
  const choose = (reserved: readonly Bytes[], taken: readonly Bytes[], wanted: Bytes | null = null): string | null => {
    const has = (list: readonly Bytes[], address: Bytes): boolean => list.some((other) => toHex(other) === toHex(address))
    const chosen = chooseAddress(ranges, {
      wanted,
      holder: 'rw 2 61',
      reserved,
      isFree: (address) => !has(taken, address),
      isKept: (address) => !has(reserved, address) && has([one!, two!, three!], address),
      random: new SeededRandom(1),
    })
    return chosen === null ? null : toHex(chosen)
  }
  assert.equal(choose([two!], []), toHex(two!))
  assert.equal(choose([two!], [two!]), toHex(four!))
  // Neither what he asks for, nor his usual place.
  assert.equal(choose([], [], one), toHex(four!))
  assert.equal(choose([], [four!], one), toHex(one!))
  assert.ok(choose([], [four!]) !== null)
  assert.equal(choose([], [one!, two!, three!, four!]), null)
  // It may be of a pool that is not his any more.
  assert.equal(choose([Uint8Array.of(10, 9, 9, 9)], []), toHex(four!))
})
