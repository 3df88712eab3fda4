/** The raw memory behind OpenSSL: whatever range a caller names by mistake, no pointer is made of it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { EvpCipher, EvpHmac, MAX_WORK_OCTETS, Workspace } from '../../src/crypto/evp.ts'
import { AssertionError } from '../../src/kit/assert.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { needsOpenSsl } from '../support/openssl.ts'

const offsets = fc.oneof(
  fc.integer({ min: -70_000, max: 140_000 }),
  fc.double(),
  fc.constantFrom<unknown>(null, undefined, '8', 2 ** 32, 2 ** 53, -(2 ** 31), Number.NaN, Infinity),
) as fc.Arbitrary<number>

const isInside = (from: number, to: number, length: number): boolean =>
  Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= length

/** Runs `call`; whether it was refused. Anything but a refusal of ours fails the test. */
function isRefused(call: () => unknown): boolean {
  try {
    call()
    return false
  } catch (error) {
    assert.ok(error instanceof AssertionError, String(error))
    return true
  }
}

test('every range outside the packet that was loaded is refused, and every range inside is taken', needsOpenSsl, () => {
  const workspace = new Workspace()
  const cipher = new EvpCipher(workspace, 'AES-128-CTR', new Uint8Array(16), 'encrypt')
  const hmac = new EvpHmac(workspace, 'SHA256', new Uint8Array(32))
  const property = fc.property(fc.oneof(fc.nat(200), fc.nat(MAX_WORK_OCTETS)), offsets, offsets, (length, a, b) => {
    const packet = new Uint8Array(length).fill(7)
    workspace.load(packet)
    const outside = !isInside(a, b, length)
    workspace.setIv(new Uint8Array(16), 0, 0, null)
    cipher.begin('encrypt')
    assert.equal(
      isRefused(() => cipher.crypt(a, b)),
      outside,
    )
    assert.equal(
      isRefused(() => hmac.sign(a, b)),
      outside,
    )
    assert.equal(
      isRefused(() => workspace.store(packet, a, b)),
      outside,
    )
    assert.equal(
      isRefused(() => workspace.setIv(new Uint8Array(0), a, b, null)),
      outside || b - a > 16,
    )
    assert.equal(
      isRefused(() => workspace.setIv(new Uint8Array(4), a, b, 1)),
      outside || b - a > 8,
    )
    assert.equal(
      isRefused(() => workspace.placeTag(a, 16)),
      !isInside(a, a + 16, length),
    )
    assert.equal(
      isRefused(() => workspace.takeTag(a)),
      !isInside(a, a + 16, length),
    )
    assert.equal(
      isRefused(() => workspace.isTagAt(a, b)),
      !isInside(a, a + b, length) || b < 1 || b > 64,
    )
  })
  fc.assert(property, { numRuns: 2000, seed: 3 })
  cipher.close()
  hmac.close()
})

test('associated data outside the packet is refused', needsOpenSsl, () => {
  const workspace = new Workspace()
  const cipher = new EvpCipher(workspace, 'AES-128-GCM', new Uint8Array(16), 'encrypt')
  const property = fc.property(fc.nat(200), offsets, offsets, (length, a, b) => {
    workspace.load(new Uint8Array(length))
    workspace.setIv(new Uint8Array(12), 0, 0, null)
    cipher.begin('encrypt')
    assert.equal(
      isRefused(() => cipher.associate(a, b)),
      !isInside(a, b, length),
    )
  })
  fc.assert(property, { numRuns: 500, seed: 4 })
  cipher.close()
})

test('a packet that is too long, or that is no octets, is not loaded; another one than was loaded is not stored', needsOpenSsl, () => {
  const workspace = new Workspace()
  for (const wrong of [new Uint8Array(MAX_WORK_OCTETS + 1), null, undefined, 'text', new Uint16Array(4), [1, 2]] as Bytes[]) {
    assert.ok(isRefused(() => workspace.load(wrong)))
  }
  workspace.load(new Uint8Array(8))
  assert.ok(isRefused(() => workspace.store(new Uint8Array(9), 0, 8)))
  assert.ok(isRefused(() => workspace.store(new Uint8Array(7), 0, 7)))
})

test('a key of another length is refused, and a closed context is not used', needsOpenSsl, () => {
  const workspace = new Workspace()
  for (const length of [0, 15, 17, 24, 32, 64, 1000]) {
    assert.ok(isRefused(() => new EvpCipher(workspace, 'AES-128-GCM', new Uint8Array(length), 'encrypt')))
  }
  for (const length of [0, 65, 1000]) assert.ok(isRefused(() => new EvpHmac(workspace, 'SHA256', new Uint8Array(length))))
  const cipher = new EvpCipher(workspace, 'AES-256-CBC', new Uint8Array(32), 'decrypt')
  const hmac = new EvpHmac(workspace, 'SHA512', new Uint8Array(64))
  workspace.load(new Uint8Array(32))
  cipher.close()
  hmac.close()
  for (const call of [
    () => cipher.begin('decrypt'),
    () => cipher.crypt(0, 16),
    () => cipher.finishSealing(),
    () => cipher.finishOpening(),
  ]) {
    assert.ok(isRefused(call))
  }
  assert.ok(isRefused(() => hmac.sign(0, 8)))
})
