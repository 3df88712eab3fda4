/**
 * A stock strongSwan daemon (Debian's charon with kernel-libipsec) in a namespace: the client under whose eyes gateways die, and in the
 * control scenarios the gateway, too.
 *
 * Traps that this avoids: charon wants a /run of its own, for its pid file; Debian's `resolve` plugin rewrites /etc/resolv.conf when it
 * is given a name server, so the plugins are listed; kernel-libipsec must stand before kernel-netlink to be the one that does ESP.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Files } from './evpc-cluster.ts'
import type { LabNetwork } from './network.ts'
import { CLUSTER_ADDRESS, INSIDE_NET, POOL } from './network.ts'
import type { LabProcess } from './processes.ts'
import { attempt, run, start, waitUntil } from './processes.ts'
import { LabError } from './lab-error.ts'
import type { Undo } from './undo.ts'

export const CHARON = '/usr/lib/ipsec/charon'
export const CLIENT_ID = 'alice'
export const GATEWAY_ID = 'vpn.example.org'
export const PRE_SHARED_KEY = 'a key of the lab alone'

const START_LIMIT_MS = 10_000
const INITIATE_LIMIT_S = 20
const plugins =
  'random nonce openssl pem pkcs1 pkcs8 pubkey x509 constraints revocation hmac sha1 sha2 md5 mgf1 aes gcm ccm ctr chapoly curve25519 ' +
  'gmp cmac xcbc kdf drbg fips-prf kernel-libipsec kernel-netlink socket-default vici updown eap-identity eap-mschapv2 eap-tls'
const folders = [
  'conf.d',
  'x509',
  'x509ca',
  'x509aa',
  'x509ocsp',
  'x509crl',
  'x509ac',
  'pubkey',
  'private',
  'rsa',
  'ecdsa',
  'pkcs8',
  'pkcs12',
  'bliss',
]

/** How soon a client asks after a silent gateway, and how soon it gives it up. */
export interface Temper {
  readonly dpdDelayS: number
  /** Lines for strongswan.conf's section `charon`; empty: its defaults. */
  readonly charon: string
}

/** Default retransmissions: the first after 4 s, given up after 165 s. */
export const patient: Temper = { dpdDelayS: 2, charon: '' }

/** The most impatient settings that anybody was found to use: gone without an answer for a second, the gateway counts as dead. */
export const impatient: Temper = {
  dpdDelayS: 1,
  charon: `  retransmit_timeout = 0.5
  retransmit_tries = 1
  retransmit_base = 1
`,
}

/** A client with default proposals that asks for an address and sends liveness checks when it has heard nothing for some seconds. */
export const clientConfiguration = ({ dpdDelayS }: Temper) => `
connections { home { version = 2
  remote_addrs = ${CLUSTER_ADDRESS}
  vips = 0.0.0.0
  dpd_delay = ${dpdDelayS}s
  local { auth = psk
    id = ${CLIENT_ID} }
  remote { auth = psk
    id = ${GATEWAY_ID} }
  children { home { remote_ts = ${INSIDE_NET} } } } }
secrets { ike-1 { secret = "${PRE_SHARED_KEY}" } }
`

/** A stock gateway for the same client. */
export const gatewayConfiguration = `
connections { rw { version = 2
  local_addrs = ${CLUSTER_ADDRESS}
  pools = users
  local { auth = psk
    id = ${GATEWAY_ID} }
  remote { auth = psk
    id = %any }
  children { net { local_ts = ${INSIDE_NET} } } } }
pools { users { addrs = ${POOL} } }
secrets { ike-1 { secret = "${PRE_SHARED_KEY}" } }
`

/** In a trial's folder. */
export function clientLogFile(folder: string): string {
  return join(folder, 'client', 'charon.log')
}

export interface StrongSwanSettings {
  /** swanctl.conf. */
  readonly configuration: string
  /** Lines for strongswan.conf's section `charon`. */
  readonly charon?: string
  /** Of charon.log; 1 unless given, -1: nothing. */
  readonly logLevel?: number
  /** Contents by path in swanctl's folder, such as `x509/alice.pem`. */
  readonly files?: Files
}

export class StrongSwan {
  readonly #folder: string
  readonly #command: readonly string[]
  readonly #undo: Undo
  #process: LabProcess | null = null

  /** Starts charon in `participant`'s namespace with its files in `folder` and these settings, and loads its swanctl.conf. */
  static async start(
    network: LabNetwork,
    participant: string,
    folder: string,
    { configuration, charon = '', logLevel = 1, files = {} }: StrongSwanSettings,
    undo: Undo,
    signal: AbortSignal,
  ): Promise<StrongSwan> {
    await mkdir(join(folder, 'run'), { recursive: true })
    for (const name of folders) await mkdir(join(folder, 'swanctl', name), { recursive: true })
    const shell = `mount --bind ${folder}/run /run && exec ${CHARON}`
    const strongSwan = new StrongSwan(folder, network.inside(participant, ['unshare', '-m', 'sh', '-c', shell]), undo)
    await writeFile(join(folder, 'strongswan.conf'), strongSwan.#settings(charon, logLevel))
    await writeFile(join(folder, 'swanctl', 'swanctl.conf'), configuration)
    for (const [path, content] of Object.entries(files)) await writeFile(join(folder, 'swanctl', path), content)
    await strongSwan.restart(signal)
    return strongSwan
  }

  private constructor(folder: string, command: readonly string[], undo: Undo) {
    this.#folder = folder
    this.#command = command
    this.#undo = undo
  }

  /** Where charon writes what it does. */
  get logFile(): string {
    return join(this.#folder, 'charon.log')
  }

  get process(): LabProcess {
    if (this.#process === null) throw new LabError('charon was not started')
    return this.#process
  }

  /** A new daemon that knows nothing of the former's SAs. */
  async restart(signal: AbortSignal): Promise<void> {
    const charon = start('charon', this.#command, join(this.#folder, 'charon.out'), this.#environment())
    this.#process = charon
    this.#undo.add('charon', async () => charon.end())
    await waitUntil('charon to answer swanctl', START_LIMIT_MS, signal, async () => {
      if (!charon.isRunning) throw new LabError(`charon ended at once: ${charon.log.trim()}`)
      return !(await attempt(this.#swanctl(['--stats']), { env: this.#environment() })).failed
    })
    await this.swanctl('--load-all')
  }

  /** Runs swanctl against this daemon; throws when it fails. */
  async swanctl(...args: readonly string[]): Promise<string> {
    return run(this.#swanctl(args), { env: this.#environment() })
  }

  /** Connects; throws with the exchange as charon logged it. */
  async initiate(): Promise<void> {
    await this.swanctl('--initiate', '--child', 'home', '--timeout', String(INITIATE_LIMIT_S))
  }

  #swanctl(args: readonly string[]): string[] {
    return ['swanctl', ...args, '--uri', `unix://${this.#folder}/vici`]
  }

  #environment(): Record<string, string> {
    return { STRONGSWAN_CONF: join(this.#folder, 'strongswan.conf'), SWANCTL_DIR: join(this.#folder, 'swanctl') }
  }

  #settings(charon: string, logLevel: number): string {
    return `charon {
${charon}  load = ${plugins}
  plugins {
    vici { socket = unix://${this.#folder}/vici }
    kernel-libipsec { allow_peer_ts = yes }
  }
  filelog { log { path = ${this.logFile}
    time_format = %H:%M:%S
    time_add_ms = yes
    append = yes
    default = ${logLevel}
    flush_line = yes } }
}
swanctl { load = pem pkcs1 pkcs8 x509 openssl random pubkey }
`
  }
}
