/**
 * For `NODE_OPTIONS=--import`: lets a gateway's threads stand still as a fault would, one alone. SIGUSR2 stops the main thread for
 * EVPC_STALL_MS, SIGWINCH the data plane's. Nothing of this is in the product.
 */

import { BroadcastChannel, isMainThread } from 'node:worker_threads'

const stallMs = Number(process.env['EVPC_STALL_MS'])
const channel = new BroadcastChannel('stall')
channel.unref()

function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs)
}

if (isMainThread) {
  process.on('SIGUSR2', standStill)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  process.on('SIGWINCH', () => channel.postMessage(null))
} else {
  channel.addEventListener('message', standStill)
}
