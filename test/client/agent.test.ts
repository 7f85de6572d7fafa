import { describe, expect, test } from 'vitest'
import type { HostReport, Lease } from '#protocol/scheduler.ts'
import { CampaignId, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { step } from '#runtime/agent.ts'
import {
  type AgentEffect,
  type AgentEvent,
  type AgentOptions,
  type AgentState,
  modeOf,
  startAgent,
} from '#runtime/agent-state.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { aReply } from './replies.ts'

const id = (n: number): ResultId => ResultId.parse(`r_${String(n).padStart(26, '0')}`)
const hash = Sha256.parse('a'.repeat(64))

const lease = (n: number): Lease => ({
  resultId: id(n),
  workUnitId: WorkUnitId.parse(`w_${String(n).padStart(26, '0')}`),
  campaign: { id: CampaignId.parse(`c_${'0'.repeat(26)}`), title: 'a question' },
  job: '{}',
  runKey: hash,
  kernel: {
    name: 'toy',
    version: 0,
    release: {
      statement: {
        type: 'xeenet/kernel-release/1',
        name: 'toy',
        version: 0,
        serial: 1,
        releaseSha256: hash,
        moduleSha256: hash,
        keyId: hash,
      },
      signature: 'A'.repeat(86),
    },
  },
  data: [],
  fuelMax: 1,
  memoryPagesMax: 1,
  deadline: '2026-11-22T00:00:00.000Z',
})

const report = (n: number, outcome: 'success' | 'error' = 'error'): HostReport =>
  outcome === 'error'
    ? { resultId: id(n), outcome, code: 'internal', detail: '', cpuMs: 1 }
    : { resultId: id(n), outcome, report: '{}', digest: hash, signature: 'A'.repeat(86), cpuMs: 1 }

const options: AgentOptions = { cores: 1, count: null, endWithoutWork: false }
const accepted = (...ns: number[]) => ns.map(n => ({ resultId: id(n), outcome: 'accepted' as const }))

/** Feeds events one second apart; the last state and the effects of the last event. */
function play(
  events: readonly AgentEvent[],
  given: Partial<AgentOptions> = {},
): { state: AgentState; effects: readonly AgentEffect[]; now: number } {
  let now = 1_000_000
  let stepped: { state: AgentState; effects: readonly AgentEffect[] } = {
    state: startAgent({ ...options, ...given }),
    effects: [],
  }
  for (const event of events) {
    now += 1_000
    stepped = step(stepped.state, event, now)
  }
  return { ...stepped, now }
}

/** Effects in a line of words: news by name, calls with what they carry. */
const words = (effects: readonly AgentEffect[]): string[] =>
  effects
    .filter(effect => effect.type !== 'wake')
    .map(effect => {
      switch (effect.type) {
        case 'tell':
          return effect.news.ev
        case 'start':
        case 'keep':
          return `${effect.type} ${Number(effect.lease.resultId.slice(2))}`
        case 'release':
          return `release ${Number(effect.lease.resultId.slice(2))}`
        case 'abandon':
        case 'forget':
        case 'forget_artifact':
          return `${effect.type} ${Number(effect.resultId.slice(2))}`
        case 'call':
          return effect.call.type === 'upload'
            ? 'upload'
            : `call ${effect.call.reports.length} reports, ${effect.call.want} wanted`
        case 'exit':
          return `exit ${effect.code}`
        default:
          return effect.type
      }
    })

const start: AgentEvent = { type: 'restored', leases: [], reports: [] }
const reply = (given: Parameters<typeof aReply>[0]): AgentEvent => ({ type: 'replied', reply: aReply(given) })
const finished = (n: number, outcome: 'success' | 'error' = 'success'): AgentEvent => ({
  type: 'finished',
  report: report(n, outcome),
})
const tick: AgentEvent = { type: 'tick' }

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
        { type: 'pause', reason: 'user' },
        finished(1),
      ],
      ['call 1 reports, 0 wanted'],
    ],
    [
      'finish computes what is held and ends',
      [
        start,
        reply({ leases: [lease(1)], retryAfterMs: 1 }),
        { type: 'finish' },
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
    ['draining', [start, { type: 'finish' }]],
  ])('%s', (mode, events) => {
    expect(modeOf(play(events).state).mode).toBe(mode)
  })
})
