/** Does jobs with VPN configurations one after the other: small ones at once, others each on a thread that ends with it. */

import { Worker } from 'node:worker_threads'
import { CodedError } from '../../kit/errors.ts'
import type { VpnAnswer, VpnJob } from './vpn-jobs.ts'
import { doVpnJob } from './vpn-jobs.ts'

/** More than so many at once are refused: a large one takes seconds of a processor. */
const MAX_WAITING = 4
/** What has fewer octets is done in ten milliseconds or so, sooner than a thread has started. */
const SMALL_OCTETS = 8192

export class VpnThread {
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** Throws `ERR_RATE_LIMITED`. */
  do(job: VpnJob): Promise<VpnAnswer> {
    if (this.#waiting >= MAX_WAITING)
      return Promise.reject(new CodedError('ERR_RATE_LIMITED', `${MAX_WAITING} configurations are being looked at already`))
    this.#waiting += 1
    const answer = this.#last.then(() => run(job)).finally(() => (this.#waiting -= 1))
    this.#last = answer.catch(() => undefined)
    return answer
  }
}

async function run(job: VpnJob): Promise<VpnAnswer> {
  const length = job.present.length + (job.type === 'show' ? 0 : job.text.length)
  if (length < SMALL_OCTETS) return doVpnJob(job)
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./vpn-worker.js', import.meta.url), { workerData: job })
    // A gateway that ends does not wait for it.
    worker.unref()
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (status) => reject(new CodedError('ERR_CLOSED', `the thread ended with status ${status}`)))
  })
}
