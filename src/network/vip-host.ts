/**
 * What a machine needs before it may hold the cluster's addresses, set up at start by the system's own tools:
 *
 * - the addresses on the loopback interface, /32 and /128, so that every gateway takes packets to them and none announces them;
 * - `arp_ignore=1`, `arp_announce=2`: no kernel answers for them, and none asks in their name (a question moves neighbours' entries, too);
 * - no ICMP redirects to the gateways' own addresses;
 * - a filter that keeps the kernel of a dead holder from telling clients so (port unreachable, RST), where nft is installed.
 *
 * What stays when the process is killed does no harm: it is what keeps the next holder's traffic whole. `remove` takes addresses and
 * filter away at an orderly end; sysctls stay, for others may rely on them by then.
 */

import { formatAddress } from '../context/address.ts'
import type { Bytes } from '../kit/bytes.ts'
import { commandExists, runCommand, setSysctl, tryCommand } from './commands.ts'

export interface VipHostOptions {
  /** The interfaces of the cluster's addresses, outside and inside. */
  readonly interfaces: readonly { readonly name: string; readonly addresses: readonly Bytes[] }[]
}

const GUARD_TABLE = 'evpc_guard'
/** Of the guard's table: what `remove` may take away, for the next life to read if this one is killed. */
const ADDED_SETS = ['added4', 'added6'] as const

export class VipHost {
  readonly #addresses: readonly Bytes[]
  /** Those that were not there before, or were an earlier life's: an operator's stay. */
  readonly #added: Bytes[] = []
  #guarded = false

  /** Throws with the tool's words when something cannot be set; needs CAP_NET_ADMIN and iproute2. */
  static async setUp(options: VipHostOptions): Promise<VipHost> {
    const host = new VipHost(options)
    for (const [file, value] of vipSysctls(options)) await setSysctl(file, value)
    const hasNft = await commandExists('nft')
    const left = hasNft ? await addressesLeft() : new Set<string>()
    for (const address of host.#addresses) {
      const isNew = await addToLoopback(address)
      if (isNew || left.has(formatAddress(address))) host.#added.push(address)
    }
    if (hasNft) await host.#loadGuard()
    return host
  }

  private constructor(options: VipHostOptions) {
    this.#addresses = options.interfaces.flatMap(({ addresses }) => addresses)
  }

  /** Whether nft was there to load the filter; without it clients may see a dead holder's "port unreachable" until the address has moved. */
  get isGuarded(): boolean {
    return this.#guarded
  }

  /** Takes the addresses and the filter away that `setUp` added. What is gone already is no error. */
  async remove(): Promise<void> {
    for (const address of this.#added) await tryCommand(['ip', 'addr', 'del', prefixOf(address), 'dev', 'lo'])
    if (this.#guarded) await tryCommand(['nft', 'delete', 'table', 'inet', GUARD_TABLE])
  }

  async #loadGuard(): Promise<void> {
    await runCommand(['nft', '-f', '-'], guardRules(this.#addresses, this.#added))
    this.#guarded = true
  }
}

/** The addresses that an earlier life of this gateway added and, having been killed, could not take away. */
async function addressesLeft(): Promise<ReadonlySet<string>> {
  const sets = await Promise.all(ADDED_SETS.map((name) => tryCommand(['nft', 'list', 'set', 'inet', GUARD_TABLE, name])))
  const lists = sets.flatMap(({ status, stdout }) => (status === 0 ? [/elements = \{([^}]*)\}/.exec(stdout)?.[1] ?? ''] : []))
  return new Set(lists.flatMap((list) => list.split(/[\s,]+/)).filter((address) => address !== ''))
}

/**
 * nft's input that replaces our table as a whole. Path MTU messages (fragmentation needed, packet too big) pass. `added`: those of the
 * addresses that were not there before.
 */
export function guardRules(addresses: readonly Bytes[], added: readonly Bytes[]): string {
  const v4 = addresses.filter(({ length }) => length === 4).map(formatAddress)
  const v6 = addresses.filter(({ length }) => length === 16).map(formatAddress)
  const rules = [
    ...(v4.length === 0
      ? []
      : [
          `ip saddr { ${v4.join(', ')} } icmp type destination-unreachable icmp code { port-unreachable, prot-unreachable } counter drop`,
          `ip saddr { ${v4.join(', ')} } tcp flags & rst == rst counter drop`,
        ]),
    ...(v6.length === 0
      ? []
      : [
          `ip6 saddr { ${v6.join(', ')} } icmpv6 type destination-unreachable icmpv6 code port-unreachable counter drop`,
          `ip6 saddr { ${v6.join(', ')} } tcp flags & rst == rst counter drop`,
        ]),
    'icmp type redirect counter drop',
    'icmpv6 type nd-redirect counter drop',
  ]
  const chain = ['type filter hook output priority 0; policy accept;', ...rules].map((line) => `    ${line}\n`).join('')
  const sets = [addedSet('added4', 'ipv4_addr', 4, added), addedSet('added6', 'ipv6_addr', 16, added)].join('')
  // Declared first, so that the deletion works where the table isn't there yet.
  return `table inet ${GUARD_TABLE} {}\ndelete table inet ${GUARD_TABLE}\ntable inet ${GUARD_TABLE} {\n${sets}  chain out {\n${chain}  }\n}\n`
}

function addedSet(name: (typeof ADDED_SETS)[number], type: string, length: number, added: readonly Bytes[]): string {
  const elements = added.filter((address) => address.length === length).map(formatAddress)
  return `  set ${name} { type ${type}; ${elements.length === 0 ? '' : `elements = { ${elements.join(', ')} }; `}}\n`
}

/** The files under /proc/sys and their values: IPv4's. For IPv6 no kernel answers for addresses on the loopback interface anyway. */
export function vipSysctls(options: VipHostOptions): [file: string, value: string][] {
  const addresses = options.interfaces.flatMap((each) => each.addresses)
  const v4 = addresses.some(({ length }) => length === 4)
  const names = ['all', ...options.interfaces.map(({ name }) => name)]
  const settings = [
    ['arp_ignore', '1'],
    ['arp_announce', '2'],
    ['send_redirects', '0'],
  ] as const
  const perInterface = names.flatMap((name) =>
    settings.map(([setting, value]): [string, string] => [`net/ipv4/conf/${name}/${setting}`, value]),
  )
  return v4 ? perInterface : []
}

/** Whether it had to be added. `nodad`: duplicates of the address are the point. */
async function addToLoopback(address: Bytes): Promise<boolean> {
  const prefix = prefixOf(address)
  if ((await runCommand(['ip', '-o', 'addr', 'show', 'dev', 'lo', 'to', prefix])) !== '') return false
  const nodad = address.length === 16 ? ['nodad'] : []
  await runCommand(['ip', 'addr', 'add', prefix, 'dev', 'lo', ...nodad])
  return true
}

function prefixOf(address: Bytes): string {
  return `${formatAddress(address)}/${8 * address.length}`
}
