/** Everything that is fuzzed. */

import { codecTargetList } from './codec-targets.ts'
import { gatewayTargets } from './gateway-targets.ts'
import { initiatorTargets } from './initiator-targets.ts'
import { responderTargets } from './responder-targets.ts'
import type { Target } from './target.ts'

export const targets: readonly Target[] = [...codecTargetList, ...responderTargets, ...initiatorTargets, ...gatewayTargets]
