/** A client as a process of its own: loads a server over a socket. Run by cluster.ts. */

import type { LoadOptions } from './load.ts'
import { load } from './load.ts'
import { CommitClient } from './socket.ts'

export interface ClientConfig {
  readonly port: number
  readonly commandOctets: number
  readonly options: LoadOptions
}

const config = JSON.parse(process.argv[2]!) as ClientConfig
const client = await CommitClient.connect(config.port)
const command = new Uint8Array(config.commandOctets).fill(0x78)
const round = await load(() => client.commit(command), config.options)
client.close()
process.send!(round)
process.disconnect()
