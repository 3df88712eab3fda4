/** docs/deploy/readyz-watch.sh, with a gateway and a BIRD that are stand-ins: the address is announced while the gateway is ready, and only then. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../cli/evpc.ts'
import { until } from '../support/until.ts'

const script = fileURLToPath(new URL('../../../docs/deploy/readyz-watch.sh', import.meta.url))
const options = { skip: spawnSync('curl', ['--version']).error === undefined ? false : 'curl is not installed', timeout: 60_000 }

/** Writes down what it is asked, and answers as BIRD's client does. */
const birdc = (log: string): string => `#!/bin/sh
echo "$1" >>'${log}'
echo 'BIRD 2.0.12 ready.'
echo "$2: $1d"
`

test(
  'a gateway is announced when it is ready, withdrawn when it is not or does not answer, and when the watch ends',
  options,
  async (t) => {
    const folder = temporaryFolder(t)
    const log = join(folder, 'log')
    writeFileSync(log, '')
    writeFileSync(join(folder, 'birdc'), birdc(log))
    chmodSync(join(folder, 'birdc'), 0o755)
    let status: 200 | 503 | 'hangs' = 503
    const gateway = createServer((_request, response) => {
      if (status !== 'hangs') response.writeHead(status).end()
    })
    gateway.listen(0, '127.0.0.1')
    await once(gateway, 'listening')
    const { port } = gateway.address() as AddressInfo
    const env = {
      ...process.env,
      BIRDC: join(folder, 'birdc'),
      EVPC_READYZ: `http://127.0.0.1:${port}/readyz`,
      EVPC_INTERVAL: '0.05',
    }
    const watch = spawn(script, { env, stdio: 'ignore' })
    t.after(() => {
      watch.kill('SIGKILL')
      gateway.closeAllConnections()
      gateway.close()
    })
    const linesOf = (): string => readFileSync(log, 'utf8').trim()
    const asked = async (...expected: readonly string[]): Promise<void> => until(() => linesOf() === expected.join('\n'))

    await asked('disable')
    status = 200
    await asked('disable', 'enable')
    status = 503
    await asked('disable', 'enable', 'disable')
    status = 200
    await asked('disable', 'enable', 'disable', 'enable')
    status = 'hangs'
    await asked('disable', 'enable', 'disable', 'enable', 'disable')
    status = 200
    await asked('disable', 'enable', 'disable', 'enable', 'disable', 'enable')
    watch.kill('SIGTERM')
    const [code] = (await once(watch, 'exit')) as [number | null]
    assert.equal(code, 0)
    assert.equal(linesOf().split('\n').at(-1), 'disable')
  },
)
