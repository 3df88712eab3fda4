/** Everything that is fuzzed. */

import { codecTargetList } from './codec-targets.ts'
import { gatewayTargets } from './gateway-targets.ts'
import { importTargets } from './import-targets.ts'
import { initiatorTargets } from './initiator-targets.ts'
import { packetTargets } from './packet-targets.ts'
import { pkiTargets } from './pki-targets.ts'
import { responderTargets } from './responder-targets.ts'
import { storedTargets } from './stored-targets.ts'
import type { Target } from './target.ts'
import { textTargets } from './text-targets.ts'

export const targets: readonly Target[] = [
  ...codecTargetList,
  ...pkiTargets,
  ...storedTargets,
  ...packetTargets,
  ...textTargets,
  ...importTargets,
  ...responderTargets,
  ...initiatorTargets,
  ...gatewayTargets,
]
