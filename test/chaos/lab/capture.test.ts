import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  checkEspOnBothSides,
  checkLiveness,
  checkNoNumberSkipped,
  checkSequenceNumbers,
  clientRequestsSince,
  espSenders,
} from '../../../chaos/lab/capture-checks.ts'
import { checkAskedMeanwhile } from '../../../chaos/lab/impatient-scene.ts'
import type { CapturedPacket } from '../../../chaos/lab/capture-rows.ts'
import { captureFields, parseCapture } from '../../../chaos/lab/capture-rows.ts'
import { gatewayOfHardwareAddress } from '../../../chaos/lab/network.ts'
import { droppedOf } from '../../../chaos/lab/dumpcap.ts'
import { recorded } from './recordings.ts'

const client = '10.99.0.50'
const gateway = '10.99.0.100'
const frozen = parseCapture(recorded('frozen-gateway.tsv'))
const empty = parseCapture(recorded('empty-gateway.tsv'))
/** The gateway was stopped just after the ping that ESP number 55 carried, and killed just after number 54. */
const frozenMs = timeOfSequence(frozen, 55) + 1
const emptyMs = timeOfSequence(empty, 54) + 1

function timeOfSequence(packets: readonly CapturedPacket[], sequence: number): number {
  return packets.find(({ esp, source }) => esp?.sequence === sequence && source === gateway)?.timeMs ?? Number.NaN
}

function espPacket(sequence: number, overrides: Partial<CapturedPacket> = {}): CapturedPacket {
  const ends = { source: gateway, sourcePort: 4500, destination: client, destinationPort: 4500 }
  return { timeMs: 0, hardwareSource: '02:00:00:00:99:0b', ...ends, esp: { spi: 'c0ffee00', sequence }, ike: null, ...overrides }
}

test('a recorded capture gives IKE messages and ESP packets', () => {
  const [request, , authRequest] = frozen
  assert.equal(request?.ike?.exchangeType, 34)
  assert.equal(request?.ike?.responderSpi, '0000000000000000')
  assert.deepEqual([authRequest?.ike?.messageId, authRequest?.ike?.isResponse, authRequest?.destinationPort], [1, false, 4500])
  const esp = frozen.find(({ esp }) => esp !== null)
  assert.match(esp?.esp?.spi ?? '', /^[0-9a-f]{8}$/)
  assert.equal(esp?.esp?.sequence, 1)
})

test('a line with another number of fields is refused, a NAT keepalive is neither IKE nor ESP', () => {
  assert.throws(() => parseCapture('1\t2\t3\n'), /expected 16 fields, got 3/)
  const line = ['1.5', 'aa', client, '4500', gateway, '4500', ...captureFields.slice(6).map(() => '')].join('\t')
  const [packet] = parseCapture(`${line}\n`)
  assert.deepEqual([packet?.timeMs, packet?.esp, packet?.ike], [1500, null, null])
})

test('sequence numbers of a stock gateway only rise', () => {
  for (const { name, isOk, detail } of checkSequenceNumbers(frozen)) assert.equal(isOk, true, `${name}: ${detail}`)
})

test('a sequence number sent twice is found, each SPI and direction for itself', () => {
  const twice = [espPacket(1), espPacket(2), espPacket(2)]
  assert.deepEqual(isOkOf(twice), [false, true])
  assert.deepEqual(isOkOf([espPacket(1), espPacket(1, { esp: { spi: 'c0ffee01', sequence: 1 } })]), [true, true])
  assert.deepEqual(isOkOf([espPacket(1), espPacket(1, { source: client, destination: gateway })]), [true, true])
})

test('a sequence number that goes back is found, though it was never sent', () => {
  assert.deepEqual(isOkOf([espPacket(1), espPacket(100), espPacket(60)]), [true, false])
})

test('a number that is used again after a jump is reuse', () => {
  assert.deepEqual(isOkOf([espPacket(1), espPacket(100), espPacket(1)]), [false, true])
})

test('a skipped number is found, which takeovers may have and transfers may not', () => {
  assert.equal(checkNoNumberSkipped(ofFlows(1, 2, 3)).isOk, true)
  assert.equal(checkNoNumberSkipped(ofFlows(1, 2, 4)).isOk, false)
  assert.equal(checkNoNumberSkipped([]).isOk, false)
})

function ofFlows(...sequences: readonly number[]): CapturedPacket[] {
  return sequences.map((sequence) => espPacket(sequence))
}

test('a capture without ESP proves nothing', () => {
  assert.deepEqual(isOkOf(frozen.filter(({ esp }) => esp === null)), [false, false])
})

test('reuse is what a set of seen numbers says', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sequences) => {
      const [isUnused, isForward] = isOkOf(sequences.map((sequence) => espPacket(sequence)))
      assert.equal(isUnused, new Set(sequences).size === sequences.length)
      const rises = sequences.every((sequence, i) => sequences.slice(0, i).every((earlier) => earlier < sequence))
      assert.deepEqual([isUnused, isForward].includes(false), !rises)
    }),
  )
})

function isOkOf(packets: readonly CapturedPacket[]): boolean[] {
  return checkSequenceNumbers(packets).map(({ isOk }) => isOk)
}

test('answered liveness checks are found, those before the fault do not count', () => {
  const { isOk, detail } = checkLiveness(frozen, client, frozenMs, 2)
  assert.equal(isOk, true, detail)
  assert.equal(checkLiveness(frozen, client, frozenMs, 3).isOk, false)
  assert.equal(checkLiveness(frozen, client, Number.POSITIVE_INFINITY, 1).isOk, false)
})

test('unanswered liveness checks are found; retransmissions are one request', () => {
  assert.equal(clientRequestsSince(empty, client, emptyMs).length, 3)
  const { isOk, detail } = checkLiveness(empty, client, emptyMs, 1)
  assert.equal(isOk, false)
  assert.match(detail, /unanswered: 2$/)
})

test("the client's own answer to the gateway's request of the same Message ID is no answer to the client", () => {
  const request = frozen.find(({ ike, source }) => ike?.exchangeType === 37 && source === client && !ike.isResponse)
  assert.ok(request?.ike)
  const ownAnswer = { ...request, timeMs: request.timeMs + 1, ike: { ...request.ike, isResponse: true } }
  assert.equal(checkLiveness([request, ownAnswer], client, 0, 1).isOk, false)
  assert.equal(checkLiveness([request, { ...ownAnswer, source: gateway, destination: client }], client, 0, 1).isOk, true)
})

test('an answer of another IKE SA is no answer', () => {
  const request = frozen.find(({ ike, source }) => ike?.exchangeType === 37 && source === client && !ike.isResponse)
  assert.ok(request?.ike)
  const ike = { ...request.ike, isResponse: true, responderSpi: '0123456789abcdef' }
  assert.equal(checkLiveness([request, { ...request, source: gateway, destination: client, ike }], client, 0, 1).isOk, false)
})

test('ESP must be seen in both directions before and after the fault', () => {
  assert.equal(checkEspOnBothSides(frozen, client, frozenMs).isOk, true)
  assert.equal(checkEspOnBothSides(empty, client, emptyMs).isOk, false)
  assert.equal(checkEspOnBothSides(frozen, client, 0).isOk, false)
})

test('the hardware address of a packet tells which gateway sent it', () => {
  assert.deepEqual(espSenders(frozen, client, 0, Number.POSITIVE_INFINITY).map(gatewayOfHardwareAddress), ['sg1'])
  assert.deepEqual(espSenders(empty, client, emptyMs, Number.POSITIVE_INFINITY), [])
  assert.equal(gatewayOfHardwareAddress('02:00:00:00:99:0d'), 'sg3')
  assert.equal(gatewayOfHardwareAddress('02:00:00:00:99:0f'), 'sg5')
  assert.equal(gatewayOfHardwareAddress('02:00:00:00:99:32'), null)
})

test('a question that met nobody was asked twice, the first time after the kill, and answered', () => {
  const ike = { initiatorSpi: '01', responderSpi: '02', exchangeType: 37, messageId: 5, isResponse: false, isFragment: false }
  const asked = (timeMs: number, messageId = 5) =>
    espPacket(0, { timeMs, source: client, destination: gateway, esp: null, ike: { ...ike, messageId } })
  const answer = (timeMs: number) => espPacket(0, { timeMs, esp: null, ike: { ...ike, isResponse: true } })
  const isOk = (...packets: readonly CapturedPacket[]) => checkAskedMeanwhile({ packets }, 100).isOk
  assert.equal(isOk(asked(130), asked(630), answer(640)), true)
  assert.equal(isOk(asked(130), answer(140), asked(1130, 6), asked(1630, 6)), false, 'answered at once')
  assert.equal(isOk(asked(130), asked(630)), false, 'never answered')
  assert.equal(isOk(asked(90), asked(590), answer(600)), false, 'asked before the kill')
  assert.equal(isOk(), false)
})

test("dumpcap's closing lines tell how many datagrams it missed", () => {
  const line = "Packets received/dropped on interface 'eth0': 122/10 (pcap:1/dumpcap:0/flushed:7/ps_ifdrop:2) (92.4%)"
  assert.equal(droppedOf(`Capturing on 'eth0'\n${line}\n`), 3)
  const second = line.replaceAll('eth0', 'eth1').replace('pcap:1/dumpcap:0', 'pcap:0/dumpcap:4')
  assert.equal(droppedOf(`${line}\n${second}\n`), 9)
  assert.ok(Number.isNaN(droppedOf("Capturing on 'eth0'\n")))
})
