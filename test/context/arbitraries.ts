/** Random contexts and configurations within the bounds of their codecs. */
import fc from 'fast-check'
import type { OwnTask, SessionContext, TrafficSelector } from '../../src/context/session-context.ts'
import { childlessPolicies, fragmentationModes, uniquePolicies } from '../../src/context/vpn-configuration.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'

/** Records with the ordinary prototype, so that they compare equal to decoded ones. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

const octets = (min: number, max = min): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max })
export const address = fc.oneof(octets(4), octets(16))
export const range = fc.oneof(record({ start: octets(4), end: octets(4) }), record({ start: octets(16), end: octets(16) }))
const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffff_ffff)
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const time = fc.nat(2 ** 42)
const name = fc.string({ maxLength: 40 })
const esn = fc.constantFrom<0 | 1>(0, 1)

export const selector: fc.Arbitrary<TrafficSelector> = fc
  .tuple(fc.nat(255), u16, u16, range)
  .map(([protocol, startPort, endPort, ends]) => ({ protocol, startPort, endPort, ...ends }))

const endpoint = record({ address, port: u16 })
const rekeying = {
  ni: octets(16, 256),
  ke: u16,
  secret: octets(0, 600),
  rival: fc.option(record({ spi: u64, nonce: octets(16, 256) })),
}
const task: fc.Arbitrary<OwnTask> = fc.oneof(
  record({ type: fc.constant('rekey-child' as const), spiIn: u32, newSpiIn: u32, ...rekeying }),
  record({ type: fc.constant('rekey-ike' as const), newSpi: u64, ...rekeying }),
  record({ type: fc.constant('delete-children' as const), spisIn: fc.array(u32, { maxLength: 8 }) }),
)
const ikeSa = record({
  initiatorSpi: u64,
  responderSpi: u64,
  initiatedByUs: fc.boolean(),
  suite: record({ encr: u16, keyBits: u16, integ: u16, prf: u16, ke: u16 }),
  secrets: octets(0, 300),
  establishedAt: time,
  deletedAt: time,
  closing: fc.boolean(),
  task: fc.option(task),
})
const child = record({
  name,
  spiIn: u32,
  spiOut: u32,
  suite: record({ encr: u16, keyBits: u16, integ: u16, esn }),
  secrets: octets(0, 200),
  localTs: fc.array(selector, { maxLength: 4 }),
  remoteTs: fc.array(selector, { maxLength: 4 }),
  establishedAt: time,
  state: fc.constantFrom('live' as const, 'replaced' as const, 'closing' as const),
  initiatedByUs: fc.boolean(),
})
const eap = record({
  connection: name,
  idI: octets(0, 60),
  idR: octets(0, 60),
  wants: record({ first: fc.nat(255), bytes: octets(0, 300) }),
  stage: fc.constantFrom('identity' as const, 'response' as const, 'success' as const, 'failure' as const, 'auth' as const),
  identifier: fc.nat(255),
  failures: fc.nat(255),
  user: octets(0, 255),
  challenge: octets(0, 16),
  msk: octets(0, 120),
})
const halfOpen = record({
  initRequest: octets(0, 1200),
  initResponse: octets(0, 500),
  ni: octets(16, 256),
  nr: octets(16, 256),
  eap: fc.option(eap),
})

export const sessionContext: fc.Arbitrary<SessionContext> = record({
  phase: fc.constantFrom('half-open' as const, 'established' as const, 'tombstone' as const),
  connection: name,
  identity: fc.option(record({ type: fc.nat(255), data: octets(0, 60) })),
  local: endpoint,
  remote: endpoint,
  behindNat: fc.boolean(),
  features: fc.nat(7),
  virtualIps: fc.array(address, { maxLength: 3 }),
  ikeSas: fc.array(ikeSa, { maxLength: 2 }),
  children: fc.array(child, { maxLength: 3 }),
  halfOpen: fc.option(halfOpen),
  expiresAt: time,
  credential: fc.option(
    fc.oneof(
      record({
        type: fc.constant('certificate' as const),
        chain: fc.array(record({ issuer: octets(8), serial: octets(1, 21) }), { maxLength: 3 }),
      }),
      record({ type: fc.constant('user' as const) }),
    ),
  ),
})

const encryption = fc.array(record({ encr: u16, keyBits: u16 }), { maxLength: 4 })
const ids = fc.array(u16, { maxLength: 4 })
const names = fc.array(name, { maxLength: 3 })
const local = record({ auth: fc.constantFrom('psk' as const, 'pubkey' as const, 'rsa/pss' as const), id: name, certs: names })
const revocation = fc.constantFrom('strict' as const, 'ifuri' as const, 'relaxed' as const)
const remote = fc.oneof(
  record({ auth: fc.constantFrom('psk' as const, 'pubkey' as const), id: name, cacerts: names, revocation }),
  record({ auth: fc.constant('eap-mschapv2' as const), id: name, eapId: name, cacerts: names, revocation }),
)
const amount = fc.nat(2 ** 42)
const childLifetimes = record({
  rekeyTime: amount,
  lifeTime: amount,
  randTime: amount,
  rekeyBytes: amount,
  lifeBytes: amount,
  randBytes: amount,
  rekeyPackets: amount,
  lifePackets: amount,
  randPackets: amount,
})
const childConfiguration = record({
  name,
  localTs: fc.array(selector, { maxLength: 3 }),
  espProposals: fc.array(record({ encryption, integ: ids, ke: ids, esn: fc.array(esn, { maxLength: 2 }) }), { maxLength: 3 }),
  lifetimes: childLifetimes,
})

const subnet = address.chain((first) => record({ address: fc.constant(first), prefix: fc.nat(8 * first.length) }))

export const connection = record({
  name,
  ikeProposals: fc.array(record({ encryption, integ: ids, prf: ids, ke: ids }), { maxLength: 3 }),
  pools: fc.array(name, { maxLength: 3 }),
  local,
  remote,
  children: fc.array(childConfiguration, { maxLength: 3 }),
  unique: fc.constantFrom(...uniquePolicies),
  childless: fc.constantFrom(...childlessPolicies),
  fragmentation: fc.constantFrom(...fragmentationModes),
  mobike: fc.boolean(),
  lifetimes: record({ rekeyTime: amount, overTime: amount, randTime: amount, dpdDelay: amount }),
})

export const vpnConfiguration: fc.Arbitrary<VpnConfiguration> = record({
  connections: fc.array(connection, { maxLength: 3 }),
  pools: fc.array(
    record({
      name,
      ranges: fc.array(range, { maxLength: 3 }),
      dns: fc.array(address, { maxLength: 3 }),
      nbns: fc.array(address, { maxLength: 3 }),
      subnets: fc.array(subnet, { maxLength: 3 }),
      domains: fc.array(name, { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  secrets: fc.array(record({ name, ids: fc.array(name, { maxLength: 3 }), secret: octets(0, 100) }), { maxLength: 3 }),
  certificates: fc.array(record({ name, chain: fc.array(octets(0, 100), { maxLength: 3 }), secret: name }), { maxLength: 3 }),
  authorities: fc.array(record({ name, certificate: octets(0, 100), crls: fc.array(octets(0, 100), { maxLength: 3 }) }), { maxLength: 3 }),
})
