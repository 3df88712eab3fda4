/**
 * What is sealed in a session's context and in the VPN configuration, and the field that each value is sealed for: nothing opens anywhere else. One list,
 * so that nothing is forgotten when everything is sealed under another key.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { formatSealingKeyId, noSealingKey, sealedUnder } from '../kit/sealer.ts'
import type { IkeSaContext, SessionContext } from './session-context.ts'
import { localIkeSpi } from './session-context.ts'
import type { VpnConfiguration } from './vpn-configuration.ts'

/** Keys of an IKE SA, by our SPI of it. */
export function ikeField(localSpi: bigint): string {
  return `ike/${hex16(localSpi)}`
}

/** Keys of a Child SA. */
export function childField(spiIn: number): string {
  return `child/${spiIn.toString(16).padStart(8, '0')}`
}

/** The private half of a key exchange of ours. */
export function requestField(newSpi: bigint): string {
  return `request/${hex16(newSpi)}`
}

/** The Master Session Key of a login by EAP. */
export function mskField(responderSpi: bigint): string {
  return `eap/${hex16(responderSpi)}`
}

/** A secret of the configuration, or the NT hash of a user's. */
export function secretField(name: string): string {
  return `${isUserSecret(name) ? 'nt-hash' : 'secret'}/${name}`
}

/** Whether it is a password of a user, or its hash. */
export function isUserSecret(name: string): boolean {
  return name.startsWith('eap') || name.startsWith('ntlm')
}

function hex16(spi: bigint): string {
  return spi.toString(16).padStart(16, '0')
}

/** What a value that is sealed is to be instead. */
export type MapSealed = (field: string, blob: Bytes) => Bytes

/** The context with `map` of all that is sealed in it. */
export function mapSealed(context: SessionContext, map: MapSealed): SessionContext {
  const { halfOpen } = context
  const eap = halfOpen?.eap ?? null
  return {
    ...context,
    ikeSas: context.ikeSas.map((sa) => mapIkeSa(sa, map)),
    children: context.children.map((child) => ({ ...child, secrets: map(childField(child.spiIn), child.secrets) })),
    halfOpen:
      halfOpen === null || eap === null || eap.msk.length === 0
        ? halfOpen
        : { ...halfOpen, eap: { ...eap, msk: map(mskField(context.ikeSas[0]!.responderSpi), eap.msk) } },
  }
}

function mapIkeSa(sa: IkeSaContext, map: MapSealed): IkeSaContext {
  return { ...sa, secrets: map(ikeField(localIkeSpi(sa)), sa.secrets), task: mapTask(sa.task, map) }
}

function mapTask(task: IkeSaContext['task'], map: MapSealed): IkeSaContext['task'] {
  if ((task?.type !== 'rekey-child' && task?.type !== 'rekey-ike') || task.secret.length === 0) return task
  const newSpi = task.type === 'rekey-ike' ? task.newSpi : BigInt(task.newSpiIn)
  return { ...task, secret: map(requestField(newSpi), task.secret) }
}

/** The key that all of it is sealed under; `noSealingKey`: several. */
export function sealingKeyOf(context: SessionContext): SealingKeyId {
  let key: SealingKeyId | null = null
  let isOne = true
  mapSealed(context, (_field, blob) => {
    const under = sealedUnder(blob)
    isOne &&= key === null || key === under
    key = under
    return blob
  })
  return isOne ? (key ?? noSealingKey) : noSealingKey
}

/** The ids of the keys without which secrets of the configuration don't open. */
export function sealingKeysOf({ secrets }: VpnConfiguration): readonly string[] {
  return [...new Set(secrets.map(({ secret }) => formatSealingKeyId(sealedUnder(secret))))].sort()
}
