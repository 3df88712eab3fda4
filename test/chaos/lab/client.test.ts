import assert from 'node:assert/strict'
import test from 'node:test'
import { checkClientUntroubled } from '../../../chaos/lab/client-log.ts'
import { SAME_VIRTUAL_ADDRESS, checkRenewedAssociations } from '../../../chaos/lab/renewed-associations.ts'
import { checkSameAssociations, parseSecurityAssociations } from '../../../chaos/lab/security-associations.ts'
import { recorded } from './recordings.ts'

const text = recorded('list-sas.txt')
const [ikeSa] = parseSecurityAssociations(text)

test('a recorded list of SAs gives their numbers and SPIs', () => {
  assert.deepEqual(ikeSa, {
    uniqueId: '1',
    state: 'ESTABLISHED',
    initiatorSpi: '2855e8ee66a2ed95',
    responderSpi: '73eb4415d3765a38',
    virtualIps: ['10.77.0.1'],
    children: [{ uniqueId: '1', state: 'INSTALLED', spiIn: '4610339f', spiOut: 'cc07cd1c' }],
  })
})

test('no SA at all and several of them are both read', () => {
  assert.deepEqual(parseSecurityAssociations('list-sas reply {}\n'), [])
  assert.equal(parseSecurityAssociations(`${text}${text}`).length, 2)
})

test('an SA without its SPI is another notation, and said to be', () => {
  assert.throws(() => parseSecurityAssociations(text.replace('spi-in=', 'spi-into=')), /expected spi-in=…/)
})

const changes = [
  { name: 'nothing', from: '', to: '', isOk: [true, true] },
  { name: 'counters and ages', from: 'packets-in=0', to: 'packets-in=77', isOk: [true, true] },
  { name: "the IKE SA's number", from: 'uniqueid=1 version', to: 'uniqueid=2 version', isOk: [false, true] },
  { name: "the responder's SPI", from: '73eb4415d3765a38', to: '73eb4415d3765a39', isOk: [false, true] },
  { name: 'the virtual address', from: 'local-vips=[10.77.0.1]', to: 'local-vips=[10.77.0.2]', isOk: [false, true] },
  { name: "the IKE SA's state", from: 'ESTABLISHED', to: 'DELETING', isOk: [false, true] },
  { name: "the Child SA's number", from: 'uniqueid=1 reqid', to: 'uniqueid=2 reqid', isOk: [true, false] },
  { name: "the Child SA's SPI", from: 'spi-out=cc07cd1c', to: 'spi-out=cc07cd1d', isOk: [true, false] },
  { name: 'everything gone', from: /^list-sa event.*$/m, to: '', isOk: [false, false] },
] as const

for (const { name, from, to, isOk } of changes) {
  test(`SAs are compared by what a new SA would change: ${name}`, () => {
    const checks = checkSameAssociations(parseSecurityAssociations(text), parseSecurityAssociations(text.replace(from, to)))
    assert.deepEqual(
      checks.map(({ isOk }) => isOk),
      isOk,
    )
  })
}

test('two equal empty lists are not the same SA', () => {
  assert.deepEqual(
    checkSameAssociations([], []).map(({ isOk }) => isOk),
    [false, false],
  )
})

function edited(edits: readonly (readonly [from: string, to: string])[]) {
  return parseSecurityAssociations(edits.reduce((now, [from, to]) => now.replace(from, to), text))
}

const replaced = edited([
  ['uniqueid=1 version', 'uniqueid=2 version'],
  ['2855e8ee66a2ed95', '2855e8ee66a2ed96'],
  ['73eb4415d3765a38', '73eb4415d3765a39'],
])
const rekeyed = edited([
  ['uniqueid=1 reqid', 'uniqueid=2 reqid'],
  ['spi-in=4610339f', 'spi-in=4610339e'],
  ['spi-out=cc07cd1c', 'spi-out=cc07cd1d'],
])
const original = parseSecurityAssociations(text)
const [child] = original[0]!.children
const another = { uniqueId: '2', state: 'INSTALLED', spiIn: '1', spiOut: '2' }
const withChildren = (...children: readonly (typeof another)[]) => [{ ...original[0]!, children }]

const renewals = [
  { name: 'nothing is replaced', after: original, renewal: {}, failed: [] },
  { name: 'the IKE SA is', after: replaced, renewal: { ike: true }, failed: [] },
  { name: 'the Child SA is', after: rekeyed, renewal: { child: true }, failed: [] },
  { name: 'the IKE SA is, and was not to be', after: replaced, renewal: {}, failed: ['the IKE SA is the same'] },
  { name: 'the Child SA is, and was not to be', after: rekeyed, renewal: {}, failed: ['the Child SA is the same'] },
  { name: 'the IKE SA was to be', after: original, renewal: { ike: true }, failed: ['the IKE SA is a new one'] },
  {
    name: 'only one SPI of the Child SA is new',
    after: withChildren({ ...child!, uniqueId: '2', spiIn: '4610339e' }),
    renewal: { child: true },
    failed: ['the Child SA is a new one'],
  },
  { name: 'a second Child SA has come', after: withChildren(child!, another), children: 2, renewal: {}, failed: [] },
  {
    name: 'a second Child SA has come in place of the first',
    after: withChildren(another, { ...another, uniqueId: '3' }),
    children: 2,
    renewal: {},
    failed: ['the Child SA is the same'],
  },
  {
    name: 'of two Child SAs the second is another',
    before: withChildren(child!, another),
    after: withChildren(child!, { ...another, spiOut: '3' }),
    children: 2,
    renewal: {},
    failed: ['the Child SA is the same'],
  },
  {
    name: 'the old Child SA was left beside the new one',
    after: withChildren(child!, another),
    renewal: { child: true },
    failed: ['the IKE SA and 1 Child SA are in use', 'the Child SA is a new one'],
  },
  {
    name: 'the Child SA is not in use',
    after: withChildren({ ...child!, state: 'REKEYING' }),
    renewal: {},
    failed: ['the IKE SA and 1 Child SA are in use'],
  },
  {
    name: 'the address is another',
    after: [{ ...original[0]!, virtualIps: ['10.77.0.2'] }],
    renewal: {},
    failed: [SAME_VIRTUAL_ADDRESS],
  },
  { name: 'everything is gone', after: [], renewal: {}, failed: ['one IKE SA with a Child SA before, one IKE SA after'] },
]

for (const { name, before = original, after, renewal, children, failed } of renewals) {
  test(`what may have been replaced is compared with what was to be: ${name}`, () => {
    const checks = checkRenewedAssociations(before, after, renewal, children)
    assert.deepEqual(
      checks.flatMap((one) => (one.isOk ? [] : [one.name])),
      failed,
    )
  })
}

test('a second retransmission in the recorded log of a client without gateway raises the alarm', () => {
  const log = recorded('empty-gateway.charon.txt')
  const { isOk, detail } = checkClientUntroubled(log)
  assert.equal(isOk, false)
  assert.match(detail, /retransmit 2 of request with message ID 2$/)
})

test('one retransmission is none of the alarms, each word of trouble is', () => {
  assert.equal(checkClientUntroubled('15[IKE] retransmit 1 of request with message ID 2').isOk, true)
  assert.equal(checkClientUntroubled('11[IKE] sending DPD request').isOk, true)
  const alarms = [
    'initiating IKE_SA home[2] to 10.99.0.100',
    'giving up after 5 retransmits',
    'deleting IKE_SA home[1] between 10.99.0.50[alice]...10.99.0.100[vpn.example.org]',
    'unable to reestablish IKE_SA due to asymmetric setup',
  ]
  for (const alarm of alarms) assert.equal(checkClientUntroubled(`15[IKE] ${alarm}`).isOk, false, alarm)
})
