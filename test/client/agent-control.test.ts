import { describe, expect, test } from 'vitest'
import { step } from '#runtime/agent.ts'
import { controlOf, onHold } from '#runtime/agent-control.ts'
import type { AgentEvent, Control } from '#runtime/agent-state.ts'
import { accepted, finished, id, lease, play, reply, start, tick, words } from './agent-play.ts'

const LATER = 9_000_000
const CONTROLS: readonly Control[] = [
  { state: 'run' },
  { state: 'pause' },
  { state: 'finish' },
  { state: 'snooze', until: LATER },
]
const to = (control: Control): AgentEvent => ({ type: 'control', to: control })
const busy: readonly AgentEvent[] = [start, reply({ leases: [lease(1), lease(2)], retryAfterMs: 60_000 })]

describe('Run, Pause, Finish and Snooze', () => {
  test.each(CONTROLS.flatMap(from => CONTROLS.map(next => [from, next] as const)))(
    'from %j to %j: that is what is in force',
    (from, next) => {
      const { state } = play([...busy, to(from), to(next)])
      expect(controlOf(state)).toEqual(next)
      expect(state.intent === 'finish').toBe(
        next.state === 'finish' || (from.state === 'finish' && next.state !== 'run'),
      )
      expect(onHold(state, id(1))).toBe(next.state === 'pause' || next.state === 'snooze')
      expect(state.pauses.includes('snooze')).toBe(state.snoozedUntil !== null)
    },
  )

  test('a snooze ends by itself at its time, and wakes for it', () => {
    const { state, effects, now } = play([...busy, to({ state: 'snooze', until: 1_003_500 })])
    expect(effects.find(effect => effect.type === 'wake')).toEqual({ type: 'wake', at: 1_003_500 })
    const early = step(state, tick, now + 100)
    expect(early.state.pauses).toEqual(['snooze'])
    const late = step(early.state, tick, 1_003_500)
    expect(late.state.pauses).toEqual([])
    expect(words(late.effects).slice(0, 2)).toEqual(['go_on', 'resumed'])
  })

  test('a machine that is on battery stays paused when a person says Run', () => {
    const { state } = play([
      ...busy,
      { type: 'pause', reason: 'battery' },
      to({ state: 'pause' }),
      to({ state: 'run' }),
    ])
    expect(state.pauses).toEqual(['battery'])
    expect(controlOf(state)).toEqual({ state: 'run' })
  })

  test('a Finish that was taken back asks for work again', () => {
    const { effects } = play([start, reply({ retryAfterMs: 1 }), to({ state: 'run' })])
    expect(words(effects)).toEqual(['call 0 reports, 2 wanted'])
    const finishing = play([
      ...busy,
      to({ state: 'finish' }),
      finished(1),
      reply({ reports: accepted(1), retryAfterMs: 1 }),
    ])
    expect(words(step(finishing.state, tick, LATER).effects)).not.toContain('call 0 reports, 2 wanted')
    const back = step(finishing.state, to({ state: 'run' }), LATER)
    expect(words(back.effects)).toContain('call 0 reports, 1 wanted')
  })

  test('after a Stop nothing else counts', () => {
    const { state } = play([...busy, { type: 'stop' }, to({ state: 'run' })])
    expect(state.intent).toBe('stop')
  })
})

describe('cores', () => {
  test('a core that is taken back holds the newest run, which goes on when it is lent again or another ends', () => {
    const two = play([...busy], { cores: 2 })
    expect([id(1), id(2)].map(each => onHold(two.state, each))).toEqual([false, false])
    const one = step(two.state, { type: 'lend', cores: 1 }, two.now + 1)
    expect([id(1), id(2)].map(each => onHold(one.state, each))).toEqual([false, true])
    expect(words(one.effects)).not.toContain('go_on')
    expect(words(step(one.state, { type: 'lend', cores: 2 }, two.now + 2).effects)).toContain('go_on')
    expect(words(step(one.state, finished(1), two.now + 2).effects)).toContain('go_on')
  })
})

test('who waits for a verdict has the server asked at once, once', () => {
  const idle = play([start, reply({ retryAfterMs: 60_000 })])
  const asked = step(idle.state, { type: 'inquire' }, idle.now + 1)
  expect(words(asked.effects)).toEqual(['call 0 reports, 0 wanted'])
  const answered = step(asked.state, reply({ retryAfterMs: 60_000 }), idle.now + 2)
  expect(words(answered.effects)).toEqual([])
})

test('while three reports wait for a server that is away no further run is started; nothing that was begun is lost', () => {
  const leases = [1, 2, 3, 4, 5].map(lease)
  const { state } = play(
    [start, reply({ leases, retryAfterMs: 60_000 }), ...[1, 2, 3].map(n => finished(n))],
    {
      unsentMax: 3,
    },
  )
  expect(state.outbox.map(report => report.resultId)).toEqual([id(1), id(2), id(3)])
  expect(state.held.map(h => h.phase)).toEqual(['reporting', 'reporting', 'reporting', 'queued', 'queued'])
  const back = step(state, reply({ reports: accepted(1), retryAfterMs: 1 }), LATER)
  expect(words(back.effects)).toContain('start 4')
})
