/** The rows of the matrix, in the order in which they are run. */

import { LabError } from '../lab-error.ts'
import { algorithmRows } from './algorithm-rows.ts'
import { certificateRows } from './certificate-rows.ts'
import { eapRows } from './eap-rows.ts'
import { exchangeRows } from './exchange-rows.ts'
import { gatewayRequestRows } from './gateway-request-rows.ts'
import { importedRows } from './imported-rows.ts'
import { livenessRows } from './liveness-rows.ts'
import { pathRows } from './path-rows.ts'
import { pskRows } from './psk-rows.ts'
import type { Row } from './row.ts'
import { siteRows } from './site-rows.ts'

export const rows: readonly Row[] = [
  ...pskRows,
  ...exchangeRows,
  ...gatewayRequestRows,
  ...livenessRows,
  ...algorithmRows,
  ...pathRows,
  ...siteRows,
  ...certificateRows,
  ...eapRows,
  ...importedRows,
]

/** The rows of these names; all of them for `all` and for no name. Throws a LabError that lists the names there are. */
export function rowsNamed(names: readonly string[]): Row[] {
  const known = rows.map(({ name }) => name)
  const unknown = names.find((name) => name !== 'all' && !known.includes(name))
  if (unknown !== undefined) throw new LabError(`unknown row ${unknown}; there are ${known.join(', ')} and all`)
  return names.length === 0 || names.includes('all') ? [...rows] : rows.filter(({ name }) => names.includes(name))
}
