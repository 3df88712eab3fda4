import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseDataPath, fastPathFault } from '../../src/dataplane/data-path.ts'
import { nativeAvailable } from '../../src/network/syscalls.ts'

test(
  'the fast path is taken where it works, and the plain one when it is asked for',
  { skip: nativeAvailable() ? false : 'koffi does not load here' },
  () => {
    assert.equal(fastPathFault(), null)
    assert.deepEqual(chooseDataPath('auto'), { type: 'fast', reason: 'the self-test passed' })
    assert.equal(chooseDataPath('fast').type, 'fast')
    assert.deepEqual(chooseDataPath('plain'), { type: 'plain', reason: 'as configured' })
  },
)
