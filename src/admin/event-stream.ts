/**
 * `GET /v1/events`: server-sent events (HTML Living Standard §9.2). The id of an event is its index in the log, so a client that lost the
 * connection goes on where it was by `Last-Event-ID`, at whichever gateway.
 */

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { AdminEvent } from './source.ts'

/** Sent when there is nothing else, so that proxies and clients see the stream alive. */
const KEEP_ALIVE_MS = 15_000
/** How long a client waits before it connects again. */
const RETRY_MS = 1000

/** The index in a `Last-Event-ID` header; null when there is none or it is not one of ours. */
export function indexOfEventId(header: string | string[] | undefined): number | null {
  const index = typeof header === 'string' && /^[0-9]{1,16}$/.test(header) ? Number(header) : null
  return index !== null && Number.isSafeInteger(index) ? index : null
}

/** Writes the events until they end, the client goes, or `controller` aborts. A slow client slows the reading of events, nothing else. */
export async function streamEvents(
  response: ServerResponse,
  events: (signal: AbortSignal) => AsyncIterable<AdminEvent>,
  controller: AbortController,
): Promise<void> {
  const { signal } = controller
  const keepAlive = setInterval(() => response.write(': alive\n\n'), KEEP_ALIVE_MS)
  response.once('close', () => controller.abort())
  try {
    response.write(`retry: ${RETRY_MS}\n\n`)
    for await (const event of events(signal)) {
      const flushed = response.write(`id: ${event.index}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      if (!flushed) await once(response, 'drain', { signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    clearInterval(keepAlive)
    controller.abort()
    response.end()
  }
}
