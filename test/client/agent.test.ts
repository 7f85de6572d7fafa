import { describe, expect, test } from 'vitest'
import { step } from '#runtime/agent.ts'
import type { AgentEvent } from '#runtime/agent-state.ts'
import { accepted, finished, hash, id, lease, play, reply, report, start, tick, words } from './agent-play.ts'

describe('what the agent does', () => {
  test.each<[string, AgentEvent[], string[]]>([
    [
      'it asks for work as soon as it starts: one to compute, one to wait',
      [start],
      ['call 0 reports, 2 wanted'],
    ],
    [
      'a lease is kept on disk before it is started; the second waits',
      [start, reply({ leases: [lease(1), lease(2)] })],
      ['keep 1', 'result.lease', 'keep 2', 'result.lease', 'start 1', 'result.start'],
    ],
    [
      'a finished run is reported at once, the next one starts, and another is asked for',
      [start, reply({ leases: [lease(1), lease(2)] }), finished(1)],
      ['start 2', 'result.start', 'call 1 reports, 1 wanted'],
    ],
    [
      'an answered report is forgotten, its artifact is not',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 5_000 }),
        finished(1),
        reply({ reports: accepted(1) }),
      ],
      ['forget 1', 'result.accepted', 'call 0 reports, 2 wanted'],
    ],
    [
      'a refused report is forgotten as well, and said',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 60_000 }),
        finished(1),
        reply({
          reports: [{ resultId: id(1), outcome: 'refused', code: 'report_stale', hint: 'Drop it.' }],
          retryAfterMs: 60_000,
        }),
      ],
      ['forget 1', 'result.refused'],
    ],
    [
      'the verdict releases the artifact',
      [start, reply({ verdicts: [{ resultId: id(1), verdict: 'valid', milli: 5 }], retryAfterMs: 9_000 })],
      ['forget_artifact 1', 'result.verdict', 'nowork'],
    ],
    [
      'an aborted run is abandoned and its core given to the next',
      [
        start,
        reply({ leases: [lease(1), lease(2)], retryAfterMs: 60_000 }),
        { type: 'tick' },
        reply({ abort: [{ resultId: id(1), reason: 'campaign cancelled' }], retryAfterMs: 60_000 }),
      ],
      ['abandon 1', 'result.abort', 'start 2', 'result.start'],
    ],
    [
      'an abort that comes after the run has ended changes nothing: the report is still sent',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 60_000 }),
        finished(1),
        reply({ abort: [{ resultId: id(1), reason: 'not needed' }], retryAfterMs: 0 }),
        tick,
        tick,
        tick,
        tick,
        tick,
      ],
      [],
    ],
    [
      'a lease that it already holds is not started twice',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 1 }),
        tick,
        reply({ leases: [lease(1)], retryAfterMs: 60_000 }),
      ],
      ['nowork'],
    ],
    ['a paused agent starts nothing and asks for nothing', [{ type: 'pause', reason: 'battery' }, start], []],
    [
      'a pause holds runs; the last reason that goes lets them go on',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 60_000 }),
        { type: 'pause', reason: 'battery' },
        { type: 'pause', reason: 'busy' },
        { type: 'resume', reason: 'battery' },
        { type: 'resume', reason: 'busy' },
      ],
      ['go_on', 'resumed'],
    ],
    [
      'a paused agent still reports what it has',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 60_000 }),
        { type: 'control', to: { state: 'pause' } },
        finished(1),
      ],
      ['call 1 reports, 0 wanted'],
    ],
    [
      'finish computes what is held and ends',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 1 }),
        { type: 'control', to: { state: 'finish' } },
        finished(1),
        reply({ reports: accepted(1), retryAfterMs: 1 }),
      ],
      ['forget 1', 'result.accepted', 'exit 0'],
    ],
    [
      'stop releases all that is held',
      [start, reply({ leases: [lease(1), lease(2)], retryAfterMs: 60_000 }), { type: 'stop' }],
      ['stopping', 'release 1', 'release 2'],
    ],
    [
      'and ends when what was given back is answered and what was kept is on disk',
      [
        start,
        reply({ leases: [lease(1), lease(2)], retryAfterMs: 60_000 }),
        { type: 'stop' },
        { type: 'kept', resultId: id(1) },
        finished(2, 'error'),
        reply({ reports: accepted(2) }),
      ],
      ['forget 2', 'result.accepted', 'exit 0'],
    ],
    [
      'artifacts are uploaded one by one, before the next call',
      [start, reply({ wanted: [{ resultId: id(9), sha256: hash }], retryAfterMs: 60_000 })],
      ['nowork', 'upload'],
    ],
    [
      'what an earlier process left is reported and resumed',
      [{ type: 'restored', leases: [lease(1), lease(2)], reports: [report(1)] }],
      ['start 2', 'result.start', 'call 1 reports, 1 wanted'],
    ],
    [
      'a lease whose report is on disk is not computed again',
      [{ type: 'restored', leases: [lease(1)], reports: [report(1)] }],
      ['call 1 reports, 2 wanted'],
    ],
    [
      'a reply that passes over a report does not make a storm of it',
      [start, reply({ leases: [lease(1)], retryAfterMs: 60_000 }), finished(1), reply({ retryAfterMs: 0 })],
      ['call 0 reports, 2 wanted'],
    ],
  ])('%s', (_name, events, expected) => {
    expect(words(play(events).effects)).toEqual(expected)
  })

  test('it says that it lives once in half a minute, and not more often', () => {
    const leased = play([start, reply({ leases: [lease(1), lease(2)], retryAfterMs: 1 })])
    const soon = step(leased.state, tick, leased.now + 29_000)
    expect(words(soon.effects)).toEqual([])
    const later = step(soon.state, tick, leased.now + 30_000)
    expect(words(later.effects)).toEqual(['call 0 reports, 0 wanted'])
  })

  test('it does not ask for work before the server allows it, and wakes when it does', () => {
    const { state, effects, now } = play([start, reply({ retryAfterMs: 7_000 })])
    expect(effects).toContainEqual({ type: 'wake', at: now + 7_000 })
    expect(words(step(state, tick, now + 6_999).effects)).toEqual([])
    expect(words(step(state, tick, now + 7_000).effects)).toEqual(['call 0 reports, 2 wanted'])
  })

  test('only one call is under way at a time', () => {
    const { effects } = play([start, finished(1), finished(2), tick])
    expect(words(effects)).toEqual([])
  })
})
