/**
 * LevelDB's write-ahead log, looked at before LevelDB does: it skips records whose checksum is wrong, and whatever follows them in their
 * 32 KiB block, and says nothing. The format (leveldb/doc/log_format.md): blocks of 32 KiB of records
 *
 *     masked CRC-32C of type and data, u32 | length u16 | type u8 (full 1, first 2, middle 3, last 4) | data      (little endian)
 *
 * A log that ends in the middle of a record is what a crash leaves, and no synced write is in there. A whole record with a wrong checksum
 * is damage, even at the end: a torn write cannot be told from a flipped bit, and taking the latter for the former loses acknowledged entries.
 */

const blockOctets = 32 * 1024
const headOctets = 7
const maskDelta = 0xa282ead8

/** What is wrong with a log file of LevelDB, or null. */
export function findLevelLogDamage(log: Uint8Array): string | null {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
  let at = 0
  while (at < log.length) {
    const left = blockOctets - (at % blockOctets)
    if (left < headOctets) {
      at += left
      continue
    }
    if (log.length - at < headOctets) return null
    const length = view.getUint16(at + 4, true)
    const type = view.getUint8(at + 6)
    if (type === 0) return isZero(log.subarray(at)) ? null : `record of type 0 at offset ${at}`
    if (length > left - headOctets) return `record of ${length} octets at offset ${at} crosses its block`
    if (at + headOctets + length > log.length)
      return holdsRecord(log.subarray(at + 1)) ? `record of ${length} octets at offset ${at} covers others` : null
    if (unmask(view.getUint32(at, true)) !== crc32c(log.subarray(at + 6, at + headOctets + length)))
      return `wrong checksum of the record at offset ${at}`
    if (type > 4) return `record of unknown type ${type} at offset ${at}`
    at += headOctets + length
  }
  return null
}

/** Whether a whole record stands somewhere in these octets: then what precedes it was not cut short, but its length is wrong. */
function holdsRecord(octets: Uint8Array): boolean {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  for (let at = 0; at + headOctets <= octets.length; at++) {
    const [length, type] = [view.getUint16(at + 4, true), view.getUint8(at + 6)]
    const end = at + headOctets + length
    if (type < 1 || type > 4 || length === 0 || end > octets.length) continue
    if (unmask(view.getUint32(at, true)) === crc32c(octets.subarray(at + 6, end))) return true
  }
  return false
}

function isZero(octets: Uint8Array): boolean {
  return octets.every((octet) => octet === 0)
}

function unmask(masked: number): number {
  const rotated = (masked - maskDelta) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}

const table = Uint32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C (Castagnoli; RFC 3720 appendix B.4). */
export function crc32c(octets: Uint8Array): number {
  let crc = 0xffffffff
  for (let i = 0; i < octets.length; i++) crc = (crc >>> 8) ^ table[(crc ^ octets[i]!) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}
