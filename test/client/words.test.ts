import { describe, expect, test } from 'vitest'
import type { Leaderboard } from '#protocol/campaign.ts'
import type { RunReport } from '#protocol/report.ts'
import { Sha256 } from '#protocol/units.ts'
import { startAgent } from '#runtime/agent-state.ts'
import type { RunOutcome } from '#runtime/run.ts'
import { firstDifference } from '../../client/node/commands/repro.ts'
import { eventFields, sentence } from '../../client/node/news.ts'
import { openPanel, sparkline } from '../../client/node/panel.ts'
import { leaderboardLines } from '../../client/node/tables.ts'
import { lease } from './agent-play.ts'

const hash = (digit: string): Sha256 => Sha256.parse(digit.repeat(64))

describe('where two runs parted', () => {
  const run = (marks: string): RunReport => ({
    status: 'ok',
    metric: { name: 'm', value: 1 },
    curve: [],
    counters: {},
    fuelUsed: 1,
    trace: [...marks].map(hash),
    artifactSha256: null,
  })
  test.each([
    ['aaaaaaaa', 'aaaaaaaa', 9],
    ['aaaaaaaa', 'baaaaaaa', 1],
    ['abcdefaa', 'abcdebbb', 6],
    ['aaaaaaaa', 'aaa', 4],
  ])('%s and %s: before mark %i', (a, b, mark) => {
    expect(firstDifference(run(a), run(b))).toBe(mark)
  })
})

test('what weights reach when they are evaluated is in no line and no event: it may be on a text that nobody knows', () => {
  const report = { status: 'ok', metric: { name: 'val_bpb', value: 7.123456 } } as RunReport
  const outcome = { type: 'report', report, digest: hash('d'), cpuMs: 1000 } as RunOutcome
  const task = (name: string) => ({ ...lease(1), job: evaluating(name) })
  const done = (name: string) => ({ ev: 'result.done', lease: task(name), outcome }) as const
  const said = (name: string) => `${sentence(done(name))} ${JSON.stringify(eventFields(done(name)))}`
  expect(said('train')).toMatch(/7\.1235.*7\.123456.*dddd/)
  expect(said('evaluate')).not.toMatch(/7\.1|dddd/)
})

const evaluating = (task: string): string =>
  JSON.stringify({ kernel: 'tiny@0', task, recipe: {}, seed: 1, limit: { updates: 1 }, marks: 8 })

describe('the leaderboard', () => {
  const row = (mean: number | null, lr: number): Leaderboard['rows'][number] => ({
    experimentId: 'e',
    recipe: { lr, width: 32 },
    baseline: lr === 0.001,
    n: mean === null ? 0 : 2,
    mean,
    ci95: mean === null ? null : 0.01,
    diverged: mean === null ? 1 : 0,
    provisional: 0,
    failed: 0,
    resultId: 'r_1',
  })
  test('shows what varies, puts baselines where they belong, and what diverged last', () => {
    const lines = leaderboardLines({
      metric: { name: 'val_bpb', goal: 'minimize' },
      rows: [row(2.5, 0.01), row(3.5, 0.001), row(null, 0.1)],
      waiting: 2,
      baselines: [{ name: 'unigram', value: 3 }],
    })
    expect(lines).toEqual([
      '  # val_bpb',
      '  1 2.5000 ±0.0100  n=2  lr=0.01  r_1',
      '  2 3.0000          —   unigram (baseline)',
      '  3 3.5000 ±0.0100  n=2  lr=0.001  unchanged (baseline)  r_1',
      '  4   —            n=0  lr=0.1  1 diverged  r_1',
      '    2 more may lead and wait for the verifier',
    ])
  })
})

describe('the panel', () => {
  test('draws three lines in place, with the loss as a curve and a tick for each verdict', () => {
    let screen = ''
    const write = (text: string): boolean => {
      screen += text
      return true
    }
    const panel = openPanel({ isTTY: true, columns: 120, write }, { cores: 2, preset: 'polite' })
    const held = [{ lease: lease(1), phase: 'running' as const, fraction: 0.63 }]
    const state = { ...startAgent({ cores: 2, count: null, endWithoutWork: false }), held }
    panel.named('owl-3')
    for (const train of [8, 6, 5, 4]) {
      const output = { status: 'running' as const, curve: [], counters: {}, train }
      const slice = { fraction: 0.63, step: 1, busyMs: 1, output }
      panel.update({ ev: 'result.progress', lease: lease(1), slice }, state)
    }
    panel.update(
      { ev: 'result.verdict', result: 'r', verdict: 'valid', milli: 5, balanceMilli: 81_500 },
      state,
    )
    panel.draw()
    expect(screen).toBe(
      'owl-3 ● working 1/2 cores · polite   a question\n█▅▃▁  63%\n▌  1 valid  0 waiting  81.500 cr   p pause · f finish · q quit\n',
    )
    panel.draw()
    expect(screen.split('\x1b[3A\x1b[0J')).toHaveLength(2)
  })

  test('a flat curve is a flat line', () => {
    expect(sparkline([3, 3, 3])).toBe('▁▁▁')
    expect(sparkline([])).toBe('')
  })
})
