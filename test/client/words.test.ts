import { describe, expect, test } from 'vitest'
import type { Leaderboard } from '#protocol/campaign.ts'
import type { RunReport } from '#protocol/report.ts'
import { Sha256 } from '#protocol/units.ts'
import type { RunOutcome } from '#runtime/run.ts'
import { EMPTY, type Fate, type Snapshot } from '#runtime/snapshot.ts'
import { firstDifference } from '../../client/node/commands/repro.ts'
import { eventFields, sentence } from '../../client/node/news.ts'
import { openPanel, panelLines, sparkline } from '../../client/node/panel.ts'
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
    engines: ['wasm' as const],
    exactness: 'exact' as const,
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
  const computed = (fate: Fate) => ({
    ...{
      resultId: 'r',
      campaignId: 'c',
      title: 'a question',
      at: 0,
      metric: null,
      digest: null,
      fate,
      milli: 0,
    },
  })
  const working: Snapshot = {
    ...{
      ...EMPTY,
      phase: 'on',
      mode: { mode: 'working', runs: 2 },
      host: { id: 'h', name: 'owl-3' },
      cores: 2,
    },
    runs: [
      {
        ...{ resultId: 'r', campaign: { id: 'c', title: 'a question' }, kernel: 'charlm@1' },
        ...{
          recipe: { lr: 0.00212345, act: 'gelu', width: 64 },
          seed: 12,
          fraction: 0.63,
          secondsLeft: 13.2,
          saved: null,
        },
        curve: [8, 6, 5, 4].map((loss, i) => [i, loss] as const),
      },
    ],
    computed: (['valid', 'invalid', 'valid', 'waiting'] as const).map(computed),
    balanceMilli: 81_500,
  }

  test.each([
    [
      'working',
      working,
      [
        'owl-3 ● working 2/8 cores · Polite            a question',
        'lr 0.00212 width 64 seed 12  █▅▃▁  4.00  63%   14 s',
        '▌✕▌▎  2 valid  1 waiting  +81.5 cr            p pause · f finish · s snooze · q quit',
      ],
    ],
    [
      'paused, without a server',
      {
        ...{ ...working, runs: [], offline: 'fetch failed', computed: [], balanceMilli: null },
        mode: { mode: 'paused', reasons: ['user', 'battery'] },
      },
      [
        'owl-3 ‖ paused (user, battery) · Polite  ',
        'the server does not answer: fetch failed',
        '  0 valid  0 waiting            p pause · f finish · s snooze · q quit',
      ],
    ],
    [
      'before anything is known',
      EMPTY,
      [
        'this machine ○ enrolling · Polite  ',
        '',
        '  0 valid  0 waiting            p pause · f finish · s snooze · q quit',
      ],
    ],
  ] as const)('%s: three lines', (_name, snapshot, lines) => {
    expect(panelLines(snapshot, 8, 120).map(line => line.trimEnd())).toEqual(
      lines.map(line => line.trimEnd()),
    )
  })

  test('no line is wider than the screen, whatever the title', () => {
    const [run] = working.runs
    const long = {
      ...working,
      runs: run === undefined ? [] : [{ ...run, campaign: { id: 'c', title: '❄'.repeat(300) } }],
    }
    for (const line of panelLines(long, 8, 60)) expect([...line].length).toBeLessThan(60)
  })

  test('is drawn in place', () => {
    let screen = ''
    const panel = openPanel(
      {
        columns: 80,
        write: text => {
          screen += text
          return true
        },
      },
      () => ['one', 'two', 'three'],
    )
    panel.draw()
    panel.draw()
    panel.clear()
    expect(screen).toBe('one\ntwo\nthree\n\x1b[3A\x1b[0Jone\ntwo\nthree\n\x1b[3A\x1b[0J')
  })

  test('a flat curve is a flat line', () => {
    expect(sparkline([3, 3, 3])).toBe('▁▁▁')
    expect(sparkline([])).toBe('')
  })
})
