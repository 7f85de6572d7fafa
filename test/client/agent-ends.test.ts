import { describe, expect, test } from 'vitest'
import { type AgentEvent, type AgentOptions, modeOf } from '#runtime/agent-state.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { accepted, finished, hash, id, lease, play, reply, start, words } from './agent-play.ts'

describe('how it ends', () => {
  const once = { count: 1, endWithoutWork: true }
  test.each<[string, Partial<AgentOptions>, AgentEvent[], number]>([
    ['no work with --once', once, [start, reply({})], EXIT.noWork],
    [
      'one result with --once',
      once,
      [start, reply({ leases: [lease(1)] }), finished(1), reply({ reports: accepted(1) })],
      EXIT.ok,
    ],
    [
      'a refused result with --once',
      once,
      [
        start,
        reply({ leases: [lease(1)] }),
        finished(1),
        reply({ reports: [{ resultId: id(1), outcome: 'refused', code: 'report_stale' }] }),
      ],
      EXIT.rejected,
    ],
    [
      'a run that failed here with --once',
      once,
      [start, reply({ leases: [lease(1)] }), finished(1, 'error'), reply({ reports: accepted(1) })],
      EXIT.failure,
    ],
    [
      'a failed self-test, with its task answered',
      {},
      [
        start,
        reply({ leases: [lease(1)] }),
        { type: 'unfit', hint: 'another digest' },
        finished(1, 'error'),
        reply({ reports: accepted(1) }),
      ],
      EXIT.selfTest,
    ],
    [
      'an order to leave, with a task on disk',
      {},
      [start, reply({ leases: [lease(1)] }), { type: 'leave' }],
      EXIT.ok,
    ],
    ...(
      [
        ['protocol_too_old', EXIT.update],
        ['token_unknown', EXIT.auth],
        ['host_retired', EXIT.auth],
        ['host_quarantined', EXIT.auth],
        ['bad_request', EXIT.failure],
      ] as const
    ).map(([code, exit]): [string, Partial<AgentOptions>, AgentEvent[], number] => [
      `a call refused with ${code}`,
      {},
      [start, { type: 'refused', code, hint: '', retryAfterMs: 0 }],
      exit,
    ]),
  ])('%s', (_name, given, events, exit) => {
    const { state, effects } = play(events, given)
    expect(effects.at(-1)).toEqual({ type: 'exit', code: exit })
    expect(modeOf(state)).toEqual({ mode: 'stopped' })
  })

  test('a failed self-test asks for nothing more and gives back what waits', () => {
    const { effects } = play(
      [start, reply({ leases: [lease(1), lease(2)] }), { type: 'unfit', hint: 'another digest' }],
      { cores: 1 },
    )
    expect(words(effects)).toEqual(['blocked', 'stopping', 'release 1', 'release 2'])
  })

  test('--count 3 never asks for more than three', () => {
    const { effects } = play([start], { cores: 8, count: 3 })
    expect(words(effects)).toEqual(['call 0 reports, 3 wanted'])
    const leased = play([start, reply({ leases: [lease(1), lease(2), lease(3)] }), finished(1)], {
      cores: 8,
      count: 3,
    })
    expect(words(leased.effects)).toEqual(['call 1 reports, 0 wanted'])
  })

  test('a refused upload blocks nothing', () => {
    const { state } = play([
      start,
      reply({ wanted: [{ resultId: id(9), sha256: hash }], retryAfterMs: 60_000 }),
      { type: 'refused', code: 'file_unwanted', hint: '', retryAfterMs: 0 },
    ])
    expect(state.block).toBeNull()
  })
})

describe('the word for people', () => {
  test.each<[string, AgentEvent[]]>([
    ['idle', []],
    ['fetching', [start]],
    ['nowork', [start, reply({ retryAfterMs: 9_000 })]],
    ['working', [start, reply({ leases: [lease(1)], retryAfterMs: 9_000 })]],
    ['reporting', [start, reply({ leases: [lease(1)], retryAfterMs: 9_000 }), finished(1)]],
    ['paused', [start, { type: 'pause', reason: 'busy' }]],
    ['draining', [start, { type: 'control', to: { state: 'finish' } }]],
  ])('%s', (mode, events) => {
    expect(modeOf(play(events).state).mode).toBe(mode)
  })
})
