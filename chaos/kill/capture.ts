/** What goes to the clients, as it passes the switch's ports of theirs: all of ESP that matters, and IKE messages whole. */

import { createReadStream } from 'node:fs'
import { Dumpcap } from '../lab/dumpcap.ts'
import type { LabNetwork } from '../lab/network.ts'
import { clientAddress, portOf } from '../lab/network.ts'
import type { Undo } from '../lab/undo.ts'
import { PcapngReader } from './pcapng.ts'
import type { WireChecks } from './wire-checks.ts'

export class Capture {
  readonly #dumpcap: Dumpcap

  /** Returns once it captures. */
  static async start(network: LabNetwork, clients: readonly string[], folder: string, undo: Undo, signal: AbortSignal): Promise<Capture> {
    // A switch that does not know yet where somebody is sends his packets everywhere.
    const taps = clients.map((client, i) => ({
      device: portOf(client, 'eth0'),
      filter: `udp and dst host ${clientAddress(i)} and (src port 500 or src port 4500)`,
    }))
    return new Capture(await Dumpcap.start(network, 'switch', taps, { folder, name: 'clients' }, undo, signal))
  }

  private constructor(dumpcap: Dumpcap) {
    this.#dumpcap = dumpcap
  }

  /** Ends it and shows the checks every frame; returns how many the kernel could not hand over (NaN: dumpcap did not say). */
  async stop(checks: WireChecks): Promise<number> {
    const dropped = await this.#dumpcap.end()
    const reader = new PcapngReader((frame) => checks.frame(frame))
    for await (const piece of createReadStream(this.#dumpcap.file)) reader.feed(piece as Buffer)
    return dropped
  }
}
