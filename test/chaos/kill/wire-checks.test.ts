import assert from 'node:assert/strict'
import test from 'node:test'
import type { Frame } from '../../../chaos/kill/pcapng.ts'
import { PcapngReader } from '../../../chaos/kill/pcapng.ts'
import { WireChecks } from '../../../chaos/kill/wire-checks.ts'

const LATE_MS = 3500
const [A, B] = [0x0b, 0x0c]

/** What a gateway's machine, by the last octet of its hardware address, sends to a client from that port. */
function frame(timeMs: number, machine: number, payload: readonly number[], port = 4500): Frame {
  const bytes = new Uint8Array(14 + 20 + 8 + payload.length)
  const view = new DataView(bytes.buffer)
  bytes.set([2, 0, 0, 0, 0x99, 0x32, 2, 0, 0, 0, 0x99, machine, 8, 0])
  bytes.set([0x45, 0], 14)
  view.setUint16(16, 28 + payload.length)
  bytes[23] = 17
  bytes.set([10, 99, 0, 100, 10, 99, 0, 50], 26)
  view.setUint16(34, port)
  view.setUint16(36, 4500)
  view.setUint16(38, 8 + payload.length)
  bytes.set(payload, 42)
  return { timeMs, bytes, isCut: false }
}

function esp(timeMs: number, machine: number, number: number, spi = 7): Frame {
  return frame(timeMs, machine, [0, 0, 0, spi, 0, 0, number >> 8, number & 255, 1, 2, 3, 4])
}

function ike(timeMs: number, machine: number, messageId: number, last: number): Frame {
  const header = [...Array<number>(8).fill(1), ...Array<number>(8).fill(2), 46, 0x20, 37, 0x20, 0, 0, 0, messageId, 0, 0, 0, 32]
  return frame(timeMs, machine, [0, 0, 0, 0, ...header, 0, 0, 0, last])
}

function problemsOf(...frames: readonly Frame[]): string[] {
  const checks = new WireChecks({ lateMs: LATE_MS, gatewayOf: (hardware) => (hardware.endsWith('0b') ? 'sg1' : 'sg2') })
  for (const one of frames) checks.frame(one)
  return checks.problems.map(({ text }) => text)
}

test('numbers that only rise are right, holes or not, and every SPI counts for itself', () => {
  assert.deepEqual(problemsOf(esp(0, A, 1), esp(1, A, 2), esp(2, B, 300), esp(3, B, 1, 8), esp(4, A, 301)), [])
})

test('a number that comes again under one SPI is found, whoever sent it and however late (S1)', () => {
  assert.match(problemsOf(esp(0, A, 1), esp(1, A, 1))[0] ?? '', /number 1 a second time, from sg1 \(S1\)/)
  assert.match(problemsOf(esp(0, A, 1), esp(1, A, 2), esp(90_000, B, 1))[0] ?? '', /number 1 a second time, from sg2/)
})

test('what one gateway sends never goes back', () => {
  assert.match(problemsOf(esp(0, A, 5), esp(1, A, 4))[0] ?? '', /number 4 from sg1 after its own 5/)
})

test('a former owner may be overtaken by its successor for as long as its lease lasts', () => {
  assert.deepEqual(problemsOf(esp(0, A, 5), esp(1, B, 100), esp(2, A, 6), esp(3, B, 101)), [])
  assert.deepEqual(problemsOf(esp(0, A, 5), esp(1, B, 100), esp(LATE_MS, A, 6)), [])
  assert.match(problemsOf(esp(0, A, 5), esp(1, B, 100), esp(2 + LATE_MS, A, 6))[0] ?? '', /should serve no more/)
})

test('an IKE message that is sent again is the same, octet for octet (S3); others are other messages', () => {
  assert.deepEqual(problemsOf(ike(0, A, 3, 1), ike(5000, B, 3, 1), ike(6000, B, 4, 2)), [])
  assert.match(problemsOf(ike(0, A, 3, 1), ike(5000, B, 3, 2))[0] ?? '', /Message ID 3: sg2 sends other octets/)
})

test('who carries a client is told by where its ESP comes from', () => {
  const checks = new WireChecks({ lateMs: LATE_MS, gatewayOf: (hardware) => hardware })
  for (const one of [esp(0, A, 1), esp(1, A, 2), esp(2, B, 3)]) checks.frame(one)
  assert.deepEqual(
    checks.carriers.get('10.99.0.50')?.map(({ timeMs }) => timeMs),
    [0, 2],
  )
})

/** A file of one section, two interfaces (µs and ns), and a packet of each. */
function capture(): Uint8Array {
  const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer)
  const blocks = [
    words(0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28),
    words(1, 20, 1, 0, 20),
    words(1, 32, 1, 0, 0x0001_0009, 9, 0, 32),
    words(6, 36, 0, 0, 5_000, 4, 9, 0x04030201, 36),
    words(5, 16, 0, 16),
    words(6, 36, 1, 1, 0, 3, 3, 0x00030201, 36),
  ]
  return Uint8Array.from(blocks.flatMap((block) => [...block]))
}

test('a capture is read with each interface’s resolution of time, wherever its pieces end', () => {
  const bytes = capture()
  for (const size of [1, 7, 36, bytes.length]) {
    const frames: { timeMs: number; octets: number[]; isCut: boolean }[] = []
    const reader = new PcapngReader(({ timeMs, bytes, isCut }) => frames.push({ timeMs, octets: [...bytes], isCut }))
    for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size))
    assert.deepEqual(frames, [
      { timeMs: 5, octets: [1, 2, 3, 4], isCut: true },
      { timeMs: 2 ** 32 / 1e6, octets: [1, 2, 3], isCut: false },
    ])
  }
})

test('what is no capture is refused', () => {
  assert.throws(() => new PcapngReader(() => undefined).feed(new Uint8Array(64)), /pcapng: a block of 0 octets/)
})
