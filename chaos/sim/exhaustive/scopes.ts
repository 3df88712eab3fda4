/**
 * The scopes that are walked. Each is small enough to be walked to its end; together they have every step of the rules at least twice. The names say
 * what they are about.
 */

import type { Scope } from './scope.ts'
import { scope } from './scope.ts'

/** Half a minute on two processors. */
export const smallScopes: readonly Scope[] = [
  scope('takeover', { inbound: 1, outbound: 1, downs: 2 }),
  scope('ceiling', { outbound: 3, ticks: 2, downs: 1, rateOut: 3 }),
  scope('horizon', { inbound: 2, ticks: 2, downs: 1, rateIn: 1, horizon: 1 }),
  scope('wide-horizon', { inbound: 2, ticks: 1, downs: 1, rateIn: 1, horizon: 12 }),
  scope('crash', { inbound: 1, outbound: 1, crashes: 1, downs: 1 }),
  scope('transfer', { inbound: 1, outbound: 1, transfers: 1, lates: 1, downs: 1 }),
  scope('exchange', { requests: 2, downs: 1, crashes: 1 }),
  scope('threads', { inbound: 1, outbound: 1, downs: 1, isSplit: true }),
  scope('lazy', { inbound: 1, outbound: 1, downs: 2, isLazy: true }),
]

export const largeScopes: readonly Scope[] = [
  scope('ceiling-ticks', { outbound: 3, ticks: 3, downs: 1, rateOut: 1 }),
  scope('horizon-ticks', { inbound: 3, ticks: 2, downs: 1, rateIn: 1, horizon: 1 }),
  scope('shrink', { inbound: 2, ticks: 3, downs: 1 }),
  scope('two-takeovers', { outbound: 3, ticks: 2, downs: 2, rateOut: 1 }),
  scope('lazy-ticks', { outbound: 2, ticks: 2, downs: 1, rateOut: 1, isLazy: true }),
  scope('horizon-copies', { inbound: 2, copies: 2, ticks: 1, downs: 1 }),
  scope('three-gateways', { gateways: 3, inbound: 1, outbound: 1, downs: 2 }),
  scope('two-crashes', { inbound: 1, outbound: 1, crashes: 2 }),
  scope('back-and-forth', { inbound: 1, outbound: 1, transfers: 2, lates: 1 }),
  scope('transfer-tick', { inbound: 2, transfers: 1, downs: 1, ticks: 1, rateIn: 1, horizon: 1 }),
  scope('three-transfers', { gateways: 3, inbound: 1, transfers: 1, crashes: 1, downs: 1 }),
  scope('transfer-crash', { inbound: 1, outbound: 1, transfers: 1, crashes: 1, downs: 1 }),
  scope('snapshot', { outbound: 2, transfers: 1, downs: 2, snapshots: 1 }),
  scope('packets-and-exchange', { inbound: 1, outbound: 1, requests: 1, crashes: 1, transfers: 1 }),
  scope('together', { inbound: 1, outbound: 1, requests: 1, crashes: 1, transfers: 1, downs: 1 }),
  scope('together-rekey', { request: 'rekey', inbound: 1, outbound: 1, requests: 1, crashes: 1, transfers: 1 }),
  scope('three-together', { gateways: 3, inbound: 1, outbound: 1, requests: 1, crashes: 1, transfers: 1 }),
  scope('move', { request: 'move', outbound: 1, requests: 1, downs: 1, crashes: 1, transfers: 1 }),
  scope('exchange-transfer', { requests: 2, transfers: 1, lates: 1, downs: 1 }),
  scope('rekey', { request: 'rekey', requests: 2, downs: 1, crashes: 1 }),
  scope('rekey-transfer', { request: 'rekey', requests: 1, inbound: 1, transfers: 1, downs: 1 }),
  scope('threads-transfer', { inbound: 1, outbound: 1, downs: 1, transfers: 1, isSplit: true }),
  scope('threads-tick', { inbound: 2, ticks: 1, downs: 1, rateIn: 1, horizon: 1, isSplit: true }),
  scope('lazy-downs', { inbound: 1, outbound: 1, downs: 3, isLazy: true }),
]

/** The same world twice: everybody applies at its own pace, and only owners do (world.ts). The outside must see the same of both. */
export const comparedScopes: readonly (readonly [Scope, Scope])[] = [
  [
    scope('owners-only', { inbound: 1, outbound: 1, downs: 1, crashes: 1 }),
    scope('everybody', { inbound: 1, outbound: 1, downs: 1, crashes: 1, isEager: false }),
  ],
]
