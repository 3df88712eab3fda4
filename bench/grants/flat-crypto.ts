/** ESP without cryptography, for benches of what goes on around it: what is measured there does not depend on what packets hold. */

import type { EspCrypto } from '../../src/kit/esp-crypto.ts'

export const flatEspCrypto: EspCrypto = {
  keyOctets: () => 0,
  cipher: () => ({ ivOctets: 0, icvOctets: 4, blockOctets: 4, seal: () => undefined, open: () => true, close: () => undefined }),
}
