import assert from 'node:assert/strict'
import test from 'node:test'
import { Survival } from '../../../chaos/kill/survival.ts'

test('of five voters two may be out, and the third has to wait until one is back', () => {
  const survival = new Survival(5)
  const first = ['sg1'] as const
  assert.ok(survival.take(first))
  assert.ok(survival.take(['sg2']))
  assert.ok(!survival.take(['sg3']))
  survival.giveBack(first)
  assert.ok(survival.take(['sg3']))
})

test('a link that is cut takes one away, and both its ends are out', () => {
  const survival = new Survival(5)
  assert.ok(survival.take(['sg1', 'sg2']))
  assert.deepEqual(survival.out, ['sg1', 'sg2'])
  assert.ok(!survival.take(['sg2']))
  assert.ok(survival.take(['sg3']))
})

test('while a member is replaced only one other may be out, whichever began first', () => {
  const survival = new Survival(5)
  assert.ok(survival.take(['sg1']))
  assert.ok(!survival.beginChange('sg1'))
  assert.ok(survival.beginChange('sg2'))
  assert.ok(!survival.beginChange('sg4'))
  assert.ok(!survival.take(['sg3']))
  survival.endChange()
  assert.ok(survival.take(['sg3']))
  assert.ok(!survival.beginChange('sg2'), 'two are out, and four voters could spare one')
})
