/** The records of `GET /demo/call`, read as the panel reads them. */

import type { DemoStatus } from '../../../src/cli/demo/front/status.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'

export type CallRecord =
  | {
      readonly type: 'packet'
      readonly number: number
      readonly sentMs: number
      readonly arrivedMs: number
      readonly samples: Float32Array
    }
  | { readonly type: 'status'; readonly status: DemoStatus }

export interface RecordReader {
  read(octets: Bytes): CallRecord[]
}

export async function recordReader(): Promise<RecordReader> {
  const url = new URL('../../../src/cli/demo/panel/call-stream.js', import.meta.url)
  const { RecordReader } = (await import(url.href)) as { RecordReader: new () => RecordReader }
  return new RecordReader()
}

/** Of a sound in network order, from −1 to 1. */
export function samplesOf(sound: Bytes): Float32Array {
  const view = dataView(sound)
  return Float32Array.from({ length: sound.length / 2 }, (_, i) => view.getInt16(2 * i) / 32_768)
}
