/** Wrong programs of the world of gateways that are texts in compiled modules. */

import { logMutants } from './log-mutants.ts'
import { movementMutants } from './movement-mutants.ts'
import type { PatchMutant } from './mutation/patch.ts'

export const gatewayTextMutants: readonly PatchMutant[] = [...logMutants, ...movementMutants]
