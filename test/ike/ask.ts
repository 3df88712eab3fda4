/** Requests that the built-in client doesn't make, put to the gateway of the IKE tests. */

import assert from 'node:assert/strict'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { IkeSaContext } from '../../src/context/session-context.ts'
import type { Decision, Path } from '../../src/ike/decision.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { openMessage, sealMessage } from '../../src/ike/wire/message.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import type { TestGateway } from './face-to-face.ts'
import { path } from './face-to-face.ts'

/** Sends an encrypted request with these payloads as the client would, under `sa` (the newest IKE SA); the decision and the payloads of the response. */
export function ask(
  gateway: TestGateway,
  exchange: number,
  payloads: readonly Payload[],
  options: { readonly from?: Path; readonly sa?: IkeSaContext } = {},
): { decision: Decision; response: readonly Payload[] } {
  const sa = options.sa ?? gateway.established.ikeSas.at(-1)!
  const keys = openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!
  const messageId = gateway.sas.get(sa.responderSpi)!.expectedRequest
  const { initiatorSpi, responderSpi } = sa
  const head = { initiatorSpi, responderSpi, exchange, flags: 8, messageId }
  const request = sealMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, true), head, payloads, new Uint8Array(8).fill(messageId))
  const [response] = gateway.receive(request, options.from ?? path)
  const opened = openMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, false), response!)
  assert.ok(opened.type === 'message')
  return { decision: gateway.decisions.at(-1)!, response: opened.message.payloads }
}
