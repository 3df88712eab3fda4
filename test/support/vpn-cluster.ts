/** `evpc apply` and `/v1/vpn` on a cluster of real processes. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Outcome } from '../cli/evpc.ts'
import { evpc } from '../cli/evpc.ts'
import type { ServeCluster } from './serve-cluster.ts'

export interface Vpn {
  readonly version: number
  readonly connections: Readonly<Record<string, unknown>>
  readonly pools: Readonly<Record<string, { readonly addrs: readonly string[] }>>
  readonly secrets: Readonly<Record<string, unknown>>
}

/** Runs `evpc` against a gateway. */
export function at(cluster: ServeCluster, id: string, ...args: string[]): Promise<Outcome> {
  const environment = {
    EVPC_SERVER: `http://127.0.0.1:${cluster.of(id).admin}`,
    EVPC_TOKEN_FILE: cluster.file('admin.token'),
    VPN_TEST_PSK: cluster.layout.secret,
  }
  return evpc(args, environment)
}

export async function vpnOf(cluster: ServeCluster, id: string): Promise<Vpn> {
  const response = await cluster.get(id, '/v1/vpn?consistency=local')
  const vpn = (await response.json()) as Vpn
  assert.equal(response.headers.get('etag'), `"${vpn.version}"`)
  return vpn
}

/** Writes a vpn.yaml beside the cluster's own, with a change. */
export function changed(cluster: ServeCluster, name: string, change: (text: string) => string): string {
  const text = readFileSync(cluster.layout.vpnFile, 'utf8')
  const file = cluster.file(name)
  writeFileSync(file, change(text))
  assert.notEqual(readFileSync(file, 'utf8'), text)
  return file
}

export function put(cluster: ServeCluster, id: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${cluster.of(id).admin}/v1/vpn`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${cluster.layout.adminToken}`, 'Content-Type': 'application/yaml', ...headers },
    body,
  })
}
