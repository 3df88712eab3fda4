/**
 * Ports of 127.0.0.1 that nobody uses: the wanted one, or the next free.
 *
 * Between the look and the use some time goes by, so demos that start together could choose the same. Each therefore holds a guard port
 * while it lives, and looks in ports of its own.
 */

import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'

const HOST = '127.0.0.1'
const FIRST_GUARD = 7399
const BLOCK_PORTS = 200
const BLOCKS = 50
/** So many busy ones in a row, and something else is wrong. */
const TRIES = 1000

export type Transport = 'tcp' | 'udp'

/** Finds ports, each only once. */
export class FreePorts {
  readonly #guard: net.Server
  readonly #block: number
  readonly #taken = new Set<number>()
  /** Ports that were wanted and that somebody else uses. */
  readonly busy = new Set<number>()

  /** To be closed when the ports are not needed any more. */
  static async open(): Promise<FreePorts> {
    for (let block = 0; block < BLOCKS; block++) {
      const guard = await listen(FIRST_GUARD + block * BLOCK_PORTS)
      if (guard !== null) return new FreePorts(guard, block)
    }
    throw new Error(`no guard port is free: ${BLOCKS} from ${FIRST_GUARD} on, every ${BLOCK_PORTS}`)
  }

  private constructor(guard: net.Server, block: number) {
    this.#guard = guard
    this.#block = block
  }

  /** `wanted`: in the first block. */
  async take(transport: Transport, wanted: number): Promise<number> {
    if (this.#block > 0) this.busy.add(wanted)
    const first = wanted + this.#block * BLOCK_PORTS
    for (let port = first; port < first + TRIES && port < 65_536; port++) {
      if (this.#taken.has(port)) continue
      if (await isFree(transport, port)) {
        this.#taken.add(port)
        return port
      }
      this.busy.add(port)
    }
    throw new Error(`no free ${transport.toUpperCase()} port from ${first} on`)
  }

  /** They stay its own, and the process may end all the same. */
  unref(): void {
    this.#guard.unref()
  }

  close(): void {
    this.#guard.close()
  }
}

async function isFree(transport: Transport, port: number): Promise<boolean> {
  if (transport === 'udp') return isUdpFree(port)
  const server = await listen(port)
  if (server === null) return false
  server.close()
  await once(server, 'close')
  return true
}

/** Null: somebody else does, or may. */
async function listen(port: number): Promise<net.Server | null> {
  const server = net.createServer((socket) => socket.destroy())
  try {
    server.listen(port, HOST)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (isBusy(error)) return null
    throw error
  }
}

async function isUdpFree(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4')
  try {
    socket.bind(port, HOST)
    await once(socket, 'listening')
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  } finally {
    socket.close()
  }
}

function isBusy(error: unknown): boolean {
  return ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')
}
