/**
 * Makes a gateway's admin API reachable from outside its namespace: a gateway listens on its own loopback, and a socket in the file system
 * doesn't care for namespaces. Runs inside the namespace as a process of its own, so that it outlives the gateway.
 *
 *     node admin-relay.js SOCKET PORT
 */

import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'

const [socketFile = '', port = ''] = process.argv.slice(2)

const server = createServer((near) => {
  const far = connect(Number(port), '127.0.0.1')
  // Either side may break off at any time, above all when its gateway is killed: the other side's end says all there is to say.
  void Promise.allSettled([pipeline(near, far), pipeline(far, near)])
})
server.listen(socketFile)
