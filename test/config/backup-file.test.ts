/** Backups are taken apart as they come, and only whole ones are taken. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackupReader, BackupWriter } from '../../src/config/backup-file.ts'
import { encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { testVpn } from '../support/vpn.ts'

const configured = testVpn(createSealer({ keys: [new Uint8Array(32)], cluster: 'paris', random: new SeededRandom(1) }), 4)
const vpn = encodeVpnConfiguration(configured)
const assignments = [
  { holder: 'rw 2 616c696365', addresses: [Uint8Array.of(10, 77, 0, 5)] },
  { holder: 'rw 3 626f62', addresses: [Uint8Array.of(10, 77, 0, 6), new Uint8Array(16).fill(9)] },
]
const header = { cluster: 'paris', gateway: 'sg1', index: 42, time: '2026-11-26T12:00:00.000Z', vpnVersion: 3, vpn }

function lines(): string[] {
  const writer = new BackupWriter()
  return [writer.header(header), ...assignments.map((one) => writer.assignment(one)), writer.end()]
}

function read(text: string, size = Infinity): ReturnType<BackupReader['finish']> {
  const reader = new BackupReader()
  const octets = toUtf8(text)
  for (let at = 0; at < octets.length; at += size) reader.add(octets.subarray(at, at + size))
  return reader.finish()
}

test('what was written is read, in whatever pieces it comes', () => {
  for (const size of [Infinity, 1, 7, 1000]) {
    const { configuration, ...backup } = read(lines().join(''), size)
    assert.deepEqual(backup, { ...header, assignments })
    assert.deepEqual(encodeVpnConfiguration(configuration), vpn)
  }
})

test('a piece that is handed over may be used again by whoever gave it', () => {
  const reader = new BackupReader()
  const octets: Bytes = toUtf8(lines().join(''))
  const buffer = new Uint8Array(10)
  for (let at = 0; at < octets.length; at += 10) {
    const piece = octets.subarray(at, at + 10)
    buffer.set(piece)
    reader.add(buffer.subarray(0, piece.length))
    buffer.fill(0)
  }
  assert.deepEqual(reader.finish().assignments, assignments)
})

test('a backup that is cut, changed or has something added is refused with the line and the reason', () => {
  const [head, alice, bob, end] = lines() as [string, string, string, string]
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /it ends too early/],
    [head + alice + bob, /it ends too early/],
    [head + alice + bob + end.slice(0, -1), /line 4: it has no end/],
    [head + alice + end, /line 3: expected 2 holders before it, got 1/],
    [head + bob + alice + end, /line 4: what stands before it is not what was written/],
    [head.replace('sg1', 'sg2') + alice + bob + end, /line 4: what stands before it/],
    [head + alice + bob + end + alice, /line 5: it stands behind the end/],
    [alice + bob + end, /line 1: expected the head of a backup/],
    [head.replace('"version":1', '"version":2') + alice + bob + end, /line 1: expected the head/],
    [head + head + alice + bob + end, /line 2: expected a holder and his addresses/],
    [`${head}nothing\n${end}`, /line 2: expected JSON/],
    [head + alice.replace('10.77.0.5', '10.77.0.256') + bob + end, /line 2: 10.77.0.256 is no address/],
    [head.replace(/"vpn":"...../, '"vpn":"AAAAA') + alice + bob + end, /line 1: the configuration does not decode/],
  ]
  for (const [text, problem] of cases) assert.throws(() => read(text), { code: 'ERR_VALIDATION', message: problem })
})

test('a line without an end is given up before it fills the memory', () => {
  const reader = new BackupReader()
  const megabyte = new Uint8Array(2 ** 20).fill(0x20)
  assert.throws(
    () => {
      for (let i = 0; i < 64; i++) reader.add(megabyte)
    },
    { code: 'ERR_VALIDATION', message: /line 1: it is longer than/ },
  )
})
