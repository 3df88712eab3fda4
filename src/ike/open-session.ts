/**
 * Sealing and unsealing the secrets of a session's context. Each blob is bound to the SPI by which we know the SA.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { Sealer } from '../kit/sealer.ts'
import { decodedOrNull } from '../kit/wire.ts'
import type { ChildSaContext, SessionContext } from '../context/session-context.ts'
import { localIkeSpi } from '../context/session-context.ts'
import { childField, ikeField } from '../context/sealed-parts.ts'
import type { OpenSession } from './decision.ts'
import type { ChildKeys, IkeKeys } from './key-schedule.ts'
import { decodeChildKeys, decodeIkeKeys, encodeChildKeys, encodeIkeKeys } from './key-schedule.ts'

/** Unseals the keys of every IKE SA; null when one does not open: sealed by another cluster or key, or damaged. */
export function openSession(env: { readonly sealer: Sealer }, context: SessionContext): OpenSession | null {
  const ikeKeys = new Map<bigint, IkeKeys>()
  for (const sa of context.ikeSas) {
    const spi = localIkeSpi(sa)
    const keys = open(env.sealer, ikeField(spi), sa.secrets, decodeIkeKeys)
    if (keys === null) return null
    ikeKeys.set(spi, keys)
  }
  return { context, ikeKeys }
}

/** The keys of a Child SA for the packet core; null when the blob does not open. */
export function openChildKeys(sealer: Sealer, child: Pick<ChildSaContext, 'spiIn' | 'secrets'>): ChildKeys | null {
  return open(sealer, childField(child.spiIn), child.secrets, decodeChildKeys)
}

export function sealIkeKeys(sealer: Sealer, localSpi: bigint, keys: IkeKeys): Bytes {
  return sealer.seal(ikeField(localSpi), encodeIkeKeys(keys))
}

export function sealChildKeys(sealer: Sealer, spiIn: number, keys: ChildKeys): Bytes {
  return sealer.seal(childField(spiIn), encodeChildKeys(keys))
}

function open<T>(sealer: Sealer, field: string, blob: Bytes, decode: (bytes: Bytes) => T): T | null {
  const plaintext = sealer.open(field, blob)
  return plaintext === null ? null : decodedOrNull(decode, plaintext)
}
