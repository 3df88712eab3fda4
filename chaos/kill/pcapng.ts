/**
 * Reads what dumpcap writes (pcapng, draft-ietf-opsawg-pcapng): the frames of Enhanced Packet Blocks, whatever interface they are of. Pure: pieces of the file come in, in their
 * order, and may end anywhere. A run's capture has a million packets; tshark takes minutes for them.
 *
 *     block type (4) │ total length (4) │ body, padded to 4 │ total length (4)
 *     Interface Description Block: link type (2) │ 0 (2) │ snap length (4) │ options: code (2) │ length (2) │ value, padded to 4
 *     Enhanced Packet Block: interface (4) │ timestamp high, low (8) │ captured (4) │ original (4) │ frame
 */

const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6
const SECTION_HEADER = 0x0a0d_0d0a
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d
const BLOCK_HEADER_OCTETS = 8
const PACKET_HEADER_OCTETS = 28
const INTERFACE_HEADER_OCTETS = 16
/** The interface's unit of time: an option whose value is a power of ten, negative; microseconds without. */
const IF_TSRESOL = 9
const DEFAULT_RESOLUTION = 6
const MAX_BLOCK_OCTETS = 1 << 20

export interface Frame {
  /** Of the wall clock. */
  readonly timeMs: number
  /** A view. */
  readonly bytes: Uint8Array
  /** Whether the capture kept only its beginning. */
  readonly isCut: boolean
}

export class PcapngReader {
  readonly #onFrame: (frame: Frame) => void
  #rest = new Uint8Array(0)
  /** Of each interface, ticks of its clock in a millisecond. */
  readonly #ticksPerMs: number[] = []

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  /** Throws when it is no such file, or of the other octet order. */
  feed(piece: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + piece.length)
    bytes.set(this.#rest)
    bytes.set(piece, this.#rest.length)
    const view = new DataView(bytes.buffer)
    let at = 0
    while (bytes.length - at >= BLOCK_HEADER_OCTETS) {
      const type = view.getUint32(at, true)
      const length = view.getUint32(at + 4, true)
      if (length < 12 || length > MAX_BLOCK_OCTETS || length % 4 !== 0) throw new Error(`pcapng: a block of ${length} octets`)
      if (bytes.length - at < length) break
      if (type === SECTION_HEADER && view.getUint32(at + BLOCK_HEADER_OCTETS, true) !== BYTE_ORDER_MAGIC)
        throw new Error('pcapng: not little-endian')
      if (type === INTERFACE_DESCRIPTION)
        this.#ticksPerMs.push(10 ** (resolutionOf(view, at + INTERFACE_HEADER_OCTETS, at + length - 4) - 3))
      if (type === ENHANCED_PACKET) this.#packet(bytes, view, at)
      at += length
    }
    this.#rest = bytes.slice(at)
  }

  #packet(bytes: Uint8Array, view: DataView, at: number): void {
    const ticks = view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true)
    const ticksPerMs = this.#ticksPerMs[view.getUint32(at + BLOCK_HEADER_OCTETS, true)]
    if (ticksPerMs === undefined) throw new Error('pcapng: a packet of an interface that was not described')
    const captured = view.getUint32(at + 20, true)
    const isCut = view.getUint32(at + 24, true) > captured
    this.#onFrame({
      timeMs: ticks / ticksPerMs,
      bytes: bytes.subarray(at + PACKET_HEADER_OCTETS, at + PACKET_HEADER_OCTETS + captured),
      isCut,
    })
  }
}

/** Of the options from `at` on. */
function resolutionOf(view: DataView, at: number, end: number): number {
  while (at + 4 <= end) {
    const code = view.getUint16(at, true)
    const length = view.getUint16(at + 2, true)
    if (code === 0) break
    if (code === IF_TSRESOL && length === 1) {
      const value = view.getUint8(at + 4)
      if (value > 9) throw new Error(`pcapng: an interface's time has the resolution ${value}`)
      return value
    }
    at += 4 + Math.ceil(length / 4) * 4
  }
  return DEFAULT_RESOLUTION
}
