/** Our cluster: three server processes on loopback, with mutual TLS between them. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { signalChild } from '../../src/cli/signal-child.ts'
import type { ClientConfig } from './client.ts'
import type { CostedRound, LoadOptions, Round } from './load.ts'
import { costed } from './costed.ts'
import type { FromServer, ServerConfig, ToServer } from './server.ts'

/** Where the load comes from: within the leader's process, within a follower's, or from a client's over a socket to the leader. */
export type Way = 'leader' | 'follower' | 'socket'

export class Cluster {
  readonly #members: readonly Member[]
  readonly #commandOctets: number

  static async start(options: Omit<ServerConfig, 'id'>): Promise<Cluster> {
    const members = Object.keys(options.addresses).map((id) => new Member({ ...options, id }))
    const cluster = new Cluster(members, options.commandOctets)
    try {
      await Promise.all(members.map((member) => member.leaderKnown()))
      return cluster
    } catch (error) {
      cluster.kill()
      throw error
    }
  }

  private constructor(members: readonly Member[], commandOctets: number) {
    this.#members = members
    this.#commandOctets = commandOctets
  }

  load(way: Way, options: LoadOptions): Promise<CostedRound> {
    return costed(
      this.#members.map(({ pid }) => pid),
      () => this.#load(way, options),
    )
  }

  async #load(way: Way, options: LoadOptions): Promise<Round> {
    const leader = this.#members.find(({ id, leader: known }) => id === known)
    if (leader === undefined) throw new Error('no server leads')
    if (way === 'leader') return leader.load(options)
    if (way === 'follower') return this.#members.find((member) => member !== leader)!.load(options)
    return runClient({ port: leader.port, commandOctets: this.#commandOctets, options })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()))
  }

  kill(): void {
    for (const member of this.#members) member.kill()
  }
}

class Member {
  readonly id: string
  readonly #child: ChildProcess
  leader: string | null = null
  port = 0
  #onMessage: (message: FromServer | Error) => void = () => undefined

  constructor(config: ServerConfig) {
    this.id = config.id
    this.#child = fork(new URL('./server.js', import.meta.url), [JSON.stringify(config)])
    this.#child.on('message', (message: FromServer) => {
      if (message.type === 'leader') this.leader = message.leader
      if (message.type === 'listening') this.port = message.port
      this.#onMessage(message)
    })
    this.#child.once('exit', (code) => this.#onMessage(new Error(`the server ${config.id} ended with ${code}`)))
  }

  get pid(): number {
    return this.#child.pid!
  }

  async leaderKnown(): Promise<void> {
    while (this.leader === null || this.port === 0) await this.#next()
  }

  async load(options: LoadOptions): Promise<Round> {
    this.#say({ type: 'load', options })
    for (;;) {
      const message = await this.#next()
      if (message.type === 'failed') throw new Error(`${this.id}: ${message.error}`)
      if (message.type === 'round') return message.round
    }
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#say({ type: 'stop' })
    await exit
  }

  kill(): void {
    signalChild(this.#child, 'SIGKILL')
  }

  #next(): Promise<FromServer> {
    return new Promise((resolve, reject) => {
      this.#onMessage = (message) => (message instanceof Error ? reject(message) : resolve(message))
    })
  }

  #say(message: ToServer): void {
    this.#child.send(message)
  }
}

async function runClient(config: ClientConfig): Promise<Round> {
  const child = fork(new URL('./client.js', import.meta.url), [JSON.stringify(config)])
  let round: Round | null = null
  child.once('message', (message: Round) => (round = message))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (round === null) throw new Error(`the client ended with ${code}`)
  return round
}
