/** A process that runs the seeds it is given, one after the other (children.ts). */

import type { Order } from './children.ts'
import { reportOn } from './report.ts'

process.on('message', ({ world, seed }: Order) => process.send!(reportOn(world, seed)))
