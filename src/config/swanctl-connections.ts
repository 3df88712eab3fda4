/** `connections` of swanctl.conf in the words of vpn.yaml. What would let in whom the original did not is refused, not left out. */

import type { Section } from './strongswan-settings.ts'
import type { Note } from './swanctl-notes.ts'
import { Reading, importIdentity } from './swanctl-notes.ts'
import { importProposals } from './swanctl-proposals.ts'

/** In the words of vpn.yaml. `certs` and `cacerts` are names of files as in swanctl.conf. */
export interface ImportedConnection {
  proposals?: readonly string[]
  pools: readonly string[]
  local: { auth: 'psk' | 'pubkey' | 'rsa/pss'; id?: string; certs?: readonly string[] }
  remote: { auth: 'psk' | 'pubkey' | 'eap-mschapv2'; id?: string; eap_id?: string; cacerts?: readonly string[]; revocation?: string }
  children: Record<string, ImportedChild>
  [key: string]: unknown
}

export interface ImportedChild {
  local_ts: readonly string[]
  [key: string]: unknown
}

/** Null: it can't be taken, and the reason has been noted. */
export function importConnection(name: string, section: Section, note: Note): ImportedConnection | null {
  const reading = new Reading(section, `connections.${name}`, note)
  if (reading.text('version') === '1') return reading.refuse('left out: IKEv1, and evpc speaks IKEv2 only')
  if (isYes(reading.text('mediation'))) return reading.refuse('left out: a mediation connection')
  if (isYes(reading.text('ppk_required'))) return reading.refuse('left out: it wants a post-quantum pre-shared key')
  const pools = reading.list('pools')
  if (pools.length === 0)
    return reading.refuse(
      'left out: it has no pools, and evpc gives every client an address of a pool; networks behind clients are not supported',
    )
  if (!reading.list('remote_addrs').every(isAnywhere))
    return reading.refuse('left out: remote_addrs says where its clients come from, and evpc lets them in from everywhere')
  const proposals = importProposals(reading, 'proposals', 'ike')
  if (proposals === null) return reading.refuse('left out: none of its proposals is supported')
  const local = importLocal(reading)
  const remote = importRemote(reading)
  if (local === null || remote === null) return null
  const children = importChildren(reading, note)
  if (children === null) return null
  const times = lifetimes(reading, connectionKeys)
  noteRest(reading)
  return { ...(proposals === undefined ? {} : { proposals }), pools, local, remote, children, ...times }
}

const connectionKeys = ['unique', 'childless', 'fragmentation', 'mobike', 'rekey_time', 'over_time', 'rand_time', 'dpd_delay']
const childKeys = ['time', 'bytes', 'packets'].flatMap((unit) => [`rekey_${unit}`, `life_${unit}`, `rand_${unit}`])

/** What has the same words and meaning here. */
function lifetimes(reading: Reading, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = reading.text(key)
      return value === null ? [] : [[key, value]]
    }),
  )
}

function noteRest(reading: Reading): void {
  if (!reading.list('local_addrs').every(isAnywhere))
    reading.note('local_addrs', 'left out: the addresses of the cluster are address.ips of gateway.yaml')
  reading.ignore('reauth_time', ['0', '0s'], 'left out: no client has to authenticate anew')
  reading.ignore('send_cert', ['ifasked', 'always'], 'left out: certificates are always sent')
  reading.ignore('encap', ['yes', 'no', 'true', 'false', '1', '0'], 'left out')
  reading.ignore('vips', [], 'left out: gateways ask for no addresses')
  // For IKEv1, for initiators, or what every gateway does here.
  reading.skip('local_port', 'remote_port', 'send_certreq', 'keyingtries', 'pull', 'aggressive', 'dpd_timeout')
  reading.finish((section) => section === 'children' || isSide(section, 'local') || isSide(section, 'remote'))
}

function isAnywhere(address: string): boolean {
  return ['%any', '%any4', '%any6', '0.0.0.0/0', '::/0'].includes(address)
}

function isYes(value: string | null): boolean {
  return value !== null && ['yes', 'true', 'enabled', '1'].includes(value.toLowerCase())
}

function isSide(section: string, side: 'local' | 'remote'): boolean {
  return section.startsWith(side)
}

/** The one round of authentication of a side; null: there are several, or none, which has been noted. */
function oneRound(reading: Reading, side: 'local' | 'remote'): { readonly name: string; readonly section: Section } | null {
  const rounds = [...reading.section.sections].filter(([name]) => isSide(name, side))
  const [only] = rounds
  if (only === undefined) return reading.refuse(`left out: it has no section ${side}`)
  if (rounds.length > 1) return reading.refuse(`left out: ${rounds.length} rounds of authentication (RFC 4739), and one is supported`)
  return { name: only[0], section: only[1] }
}

const publicKey = /^(?:ike:)?(?:pubkey|rsa|ecdsa|ed25519)/

function importLocal(reading: Reading): ImportedConnection['local'] | null {
  const round = oneRound(reading, 'local')
  if (round === null) return null
  const side = reading.inner(round.name)
  const auth = side.text('auth') ?? 'pubkey'
  const written = side.text('id')
  const id = written === null ? null : importIdentity(written)
  if (written !== null && id === null) return reading.refuse(`left out: its local identity ${written} is of a type that is not supported`)
  side.skip('round', 'eap_id', 'aaa_id', 'xauth_id')
  const certs = fileNames(side, 'cert')
  if (auth === 'psk') {
    side.finish()
    return id === null ? reading.refuse('left out: local.id says who the gateways are, and is needed') : { auth, id }
  }
  if (!publicKey.test(auth)) return reading.refuse(`left out: local.auth is ${auth}; psk and pubkey are supported`)
  if (certs === null) return reading.refuse('left out: a certificate in a token')
  if (certs.length === 0) return reading.refuse('left out: it names no certificate of its own (local.certs)')
  side.finish((section) => section.startsWith('cert'))
  return { auth: auth.includes('rsa/pss') ? 'rsa/pss' : 'pubkey', ...(id === null ? {} : { id }), certs }
}

function importRemote(reading: Reading): ImportedConnection['remote'] | null {
  const round = oneRound(reading, 'remote')
  if (round === null) return null
  const side = reading.inner(round.name)
  const auth = side.text('auth') ?? 'pubkey'
  const kind = auth === 'psk' || auth === 'eap-mschapv2' ? auth : publicKey.test(auth) ? 'pubkey' : null
  if (kind === null) return reading.refuse(`left out: remote.auth is ${auth}; psk, pubkey and eap-mschapv2 are supported`)
  for (const key of ['groups', 'cert_policy', 'ca_id', 'pubkeys', 'certs'])
    if (side.text(key) !== null) return reading.refuse(`left out: remote.${key} lets in fewer clients than could be told here`)
  if (side.sectionsOf('cert').length > 0) return reading.refuse('left out: remote.cert lets in fewer clients than could be told here')
  const written = side.text('id')
  const id = written === null ? null : importIdentity(written)
  if (written !== null && id === null) return reading.refuse(`left out: the identity ${written} is of a type that is not supported`)
  if (kind === 'pubkey' && !/^(?:ike:)?pubkey$/.test(auth))
    side.note('auth', `taken as pubkey: every kind of key and signature that is supported is taken, not only ${auth}`)
  const cacerts = fileNames(side, 'cacert')
  if (cacerts === null) return reading.refuse('left out: an authority in a token')
  const eapId = side.text('eap_id')
  const revocation = side.text('revocation')
  side.skip('round')
  side.finish((section) => section.startsWith('cacert'))
  return {
    auth: kind,
    ...(id === null ? {} : { id }),
    ...(kind === 'eap-mschapv2' && eapId !== null ? { eap_id: eapId } : {}),
    ...(kind !== 'pubkey' || cacerts.length === 0 ? {} : { cacerts }),
    ...(kind !== 'pubkey' || revocation === null ? {} : { revocation }),
  }
}

/** `certs = a, b` and `cert1 { file = a }`; null: one is not in a file. */
function fileNames(side: Reading, kind: 'cert' | 'cacert'): readonly string[] | null {
  const names = [...side.list(`${kind}s`)]
  for (const name of side.sectionsOf(kind)) {
    const inner = side.inner(name)
    const file = inner.text('file')
    if (file === null) return null
    names.push(file)
  }
  return names
}

function importChildren(reading: Reading, note: Note): Record<string, ImportedChild> | null {
  const children: Record<string, ImportedChild> = {}
  for (const [name, section] of reading.section.sections.get('children')?.sections ?? []) {
    const child = importChild(new Reading(section, `${reading.path}.children.${name}`, note))
    if (child !== null) children[name] = child
  }
  return Object.keys(children).length === 0 ? reading.refuse('left out: none of its children is supported') : children
}

function importChild(child: Reading): ImportedChild | null {
  const mode = child.text('mode') ?? 'tunnel'
  if (mode !== 'tunnel') return child.refuse(`left out: mode is ${mode}, and tunnel is supported`)
  if (child.text('ah_proposals') !== null) return child.refuse('left out: AH')
  if (isYes(child.text('sha256_96'))) return child.refuse('left out: sha256_96, a truncation that no RFC has')
  const selectors = child.list('local_ts')
  const localTs = selectors.filter((one) => one !== 'dynamic' && !one.includes('['))
  const others = selectors.filter((one) => !localTs.includes(one))
  if (others.length > 0) child.note('local_ts', `${others.join(', ')} left out: addresses, prefixes and ranges are supported`)
  if (localTs.length === 0) return child.refuse('left out: local_ts says what clients reach, and is needed')
  const espProposals = importProposals(child, 'esp_proposals', 'esp')
  if (espProposals === null) return child.refuse('left out: none of its proposals is supported')
  child.ignore('remote_ts', ['dynamic'], 'left out: a client gets its address of the pool, and no network behind it')
  child.ignore('start_action', ['none'], 'left out: gateways wait for clients')
  child.ignore('close_action', ['none', 'clear'], 'left out: gateways wait for clients')
  child.ignore('dpd_action', ['none', 'clear'], 'left out: gateways wait for clients')
  child.ignore('policies', ['yes'], 'left out')
  for (const key of ['ipcomp', 'hostaccess', 'policies_fwd_out', 'hw_offload', 'mark_in_sa'])
    child.ignore(key, ['no'], 'left out: not supported')
  for (const key of ['tfc_padding', 'inactivity', 'priority', 'reqid', 'if_id_in', 'if_id_out'])
    child.ignore(key, ['0', '0s'], 'left out: not supported')
  child.skip('replay_window', 'copy_df', 'copy_ecn', 'copy_dscp')
  const times = lifetimes(child, childKeys)
  child.finish()
  return { local_ts: localTs, ...(espProposals === undefined ? {} : { esp_proposals: espProposals }), ...times }
}
