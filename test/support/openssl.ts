/** Whether OpenSSL can be called directly here: the options of a test that needs it. */

import { EvpUnavailableError, Workspace } from '../../src/crypto/evp.ts'

export const needsOpenSsl = { skip: isAvailable() ? false : 'this node exports no OpenSSL, or koffi does not load here' }

function isAvailable(): boolean {
  try {
    new Workspace()
    return true
  } catch (error) {
    if (error instanceof EvpUnavailableError) return false
    throw error
  }
}
