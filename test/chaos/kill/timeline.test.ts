import assert from 'node:assert/strict'
import test from 'node:test'
import { machines } from '../../../chaos/kill/plan.ts'
import { drawTimeline } from '../../../chaos/kill/timeline.ts'

const kill = { number: 3, atMs: 1000, lane: 0, via: 'sg1', deed: { type: 'kill', machine: 'sg2', forMs: 500 } } as const

test('a run is drawn whole, in one file that asks for nothing else', () => {
  const picture = drawTimeline({
    title: 'seed 1 & <2>',
    subtitle: '',
    machines,
    done: [{ planned: kill, machines: ['sg2'], fromMs: 1000, toMs: 1500, backMs: 2500, note: '' }],
    findings: [{ kind: 'violation', atMs: 1200, text: 'ESP "x" <again>' }],
    clients: [
      {
        name: 'client',
        carriers: [
          { timeMs: -500, gateway: 'sg2' },
          { timeMs: 1700, gateway: 'sg3' },
        ],
        down: [{ fromMs: 1000, toMs: 1700 }],
        up: [],
      },
    ],
    fromMs: -1000,
    toMs: 10_000,
  })
  assert.match(picture, /<title>3\. sg2 SIGKILL, started again after 0\.5 s<\/title>/)
  assert.match(picture, /seed 1 &amp; &lt;2&gt;/)
  assert.match(picture, /ESP "x" &lt;again&gt;/)
  assert.doesNotMatch(picture.replace('http://www.w3.org/2000/svg', ''), /http|NaN|Infinity|undefined/)
})
