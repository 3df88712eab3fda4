/** The entry of the thread that does one job with a VPN configuration and ends. Its handle is vpn-thread.ts. */

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../kit/assert.ts'
import type { VpnJob } from './vpn-jobs.ts'
import { doVpnJob } from './vpn-jobs.ts'

assert(parentPort !== null, 'vpn-worker.ts is the entry of a worker thread')
const port = parentPort
port.postMessage(doVpnJob(workerData as VpnJob))
