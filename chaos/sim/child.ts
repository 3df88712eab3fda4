/** A process that runs the seeds it is given, one after the other (children.ts). */

import type { Order } from './report.ts'
import { reportOn } from './report.ts'

process.on('message', (order: Order) => process.send!(reportOn(order)))
