import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callPacket, readCallPacket, soundIn } from '../../../src/cli/demo/call-packet.ts'
import { LOOP_PACKETS, SAMPLES, SOUND_OCTETS, soundOf } from '../../../src/cli/demo/melody.ts'
import { parseAddress } from '../../../src/context/address.ts'
import { dataView } from '../../../src/kit/bytes.ts'

function samplesOf(number: number): number[] {
  const view = dataView(soundOf(number))
  return Array.from({ length: SAMPLES }, (_, i) => view.getInt16(2 * i))
}

/** How far three samples in a row are from a line: large where a curve has a corner or a step. */
function bends(samples: readonly number[]): number[] {
  return samples.slice(2).map((value, i) => Math.abs(value - 2 * samples[i + 1]! + samples[i]!))
}

const all = Array.from({ length: LOOP_PACKETS }, (_, number) => samplesOf(number))
const most = all.map((samples) => Math.max(...bends(samples)))

/** Where one packet is followed by another: what is heard of it, beside what is heard within the two. */
function seam(before: number, after: number): number {
  const [one, other] = [before % LOOP_PACKETS, after % LOOP_PACKETS]
  return Math.max(...bends([...all[one]!.slice(-2), ...all[other]!.slice(0, 2)])) / Math.max(most[one]!, most[other]!)
}

test('a packet is followed by the next without a step, also the last of the melody by its first', () => {
  for (let number = 0; number < LOOP_PACKETS; number++)
    assert.ok(seam(number, number + 1) <= 1.1, `after ${number}: ${seam(number, number + 1)}`)
})

test('a packet that is missing, or there twice, is nearly always a step', () => {
  const numbers = Array.from({ length: LOOP_PACKETS }, (_, number) => number)
  for (const [name, next] of [
    ['missing', 2],
    ['twice', 0],
  ] as const) {
    const heard = numbers.filter((number) => seam(number, number + next) > 1.5).length
    assert.ok(heard > 0.9 * LOOP_PACKETS, `${name}: ${heard} of ${LOOP_PACKETS}`)
  }
})

test('the melody is never silent, and never too loud', () => {
  for (const [number, samples] of all.entries()) {
    const peak = Math.max(...samples.map(Math.abs))
    assert.ok(peak > 1000, `${number}: ${peak}`)
    assert.ok(peak < 24_000, `${number}: ${peak}`)
  }
})

test("a packet's sound depends on its number alone, and comes through a packet as it is", () => {
  assert.deepEqual(soundOf(LOOP_PACKETS * 3 + 17), soundOf(17))
  const packet = callPacket('down', parseAddress('10.77.0.9')!, { session: 0, counter: 17, sentMs: 1 }, soundOf(17))
  assert.equal(readCallPacket('down', packet)?.counter, 17)
  assert.deepEqual(soundIn(packet), soundOf(17))
  assert.equal(soundIn(packet).length, SOUND_OCTETS)
})
