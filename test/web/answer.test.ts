import { expect, test } from 'vitest'
import { answerOf, pairOf, watchedIn } from '#client/web/answer.ts'
import { differencesOf } from '#client/web/differences.ts'
import { changesOf } from '#client/web/recipes.ts'
import type { CompareView, TestList, TestView } from '#protocol/tests.ts'

const metric = { name: 'val_bpb', goal: 'minimize' as const }
const best = { experimentId: 'e_best', mean: 1.7, n: 3, ci95: 0.01, recipe: { lr: 0.002 } }
const campaign = { metric, best, experiments: { planned: 9, created: 9 } }
const of = (state: TestView['state'], changes: Partial<TestView> = {}) =>
  ({
    ...{ number: 1, state, incumbent: 'e_old', challenger: 'e_new', llr: 1, lower: -3, upper: 3 },
    gain: { n: 61, mean: 0.021, ci95: 0.012 },
    ...changes,
  }) as TestView
const list = (...tests: TestView[]) =>
  ({ tests, effect: tests.length === 0 ? null : 0.01, incumbent: 'e_old' }) as unknown as TestList
const compared = (verdict: CompareView['verdict'], mean: number) =>
  ({
    ...{ metric, verdict, difference: { n: 3, mean, ci95: 0.004 } },
    a: { recipe: { lr: 0.002, warmup: 50 } },
    b: { recipe: { lr: 0.002, warmup: 0 } },
  }) as unknown as CompareView
const said = (tests: TestList, view?: CompareView) => {
  const { subject, says, caution } = answerOf({ campaign, tests, pair: pairOf(tests, best), compared: view })
  return [subject, says, caution].filter(text => text !== undefined).join(' | ')
}

test.each([
  [
    'promoted',
    'warmup 0 → 50 | lowers val_bpb by 0.0210 [0.0090, 0.0330] (95 %, n=61 pairs of fresh seeds): a sequential test promoted it.',
  ],
  [
    'running',
    'warmup 0 → 50 | lowers val_bpb by 0.0210 [0.0090, 0.0330] (95 %, n=61 pairs of fresh seeds) so far. | The test goes on until the evidence reaches a bound.',
  ],
  [
    'rejected',
    'warmup 0 → 50 | lowers val_bpb by 0.0210 [0.0090, 0.0330] (95 %, n=61 pairs of fresh seeds): a sequential test found less than 0.01, which is what is worth finding.',
  ],
  [
    'undecided',
    'warmup 0 → 50 | lowers val_bpb by 0.0210 [0.0090, 0.0330] (95 %, n=61 pairs of fresh seeds). | The test ended undecided.',
  ],
] as const)('a test that is %s says so, with its interval', (state, words) => {
  expect(said(list(of(state)), compared('a_better', -0.02))).toBe(words)
})

const CAUTION =
  'It leads by its mean, and the best of many looks better than it is; no test on fresh seeds has confirmed it.'

test.each([
  [
    'a_better',
    -0.02,
    `lowers val_bpb by 0.0200 [0.0160, 0.0240] (95 %, n=3 seeds) against the unchanged recipe.`,
  ],
  [
    'b_better',
    0.02,
    `raises val_bpb by 0.0200 [0.0160, 0.0240] (95 %, n=3 seeds) against the unchanged recipe: its place comes from other seeds.`,
  ],
  [
    'no_difference_shown',
    -0.001,
    `lowers val_bpb by 0.0010 [-0.0030, 0.0050] (95 %, n=3 seeds) against the unchanged recipe: no difference is shown.`,
  ],
] as const)('without a test the best stands beside the unchanged recipe: %s', (verdict, mean, words) => {
  expect(said(list(), compared(verdict, mean))).toBe(`warmup 0 → 50 | ${words} | ${CAUTION}`)
})

test('a gain of a metric to be raised raises it', () => {
  const raised = { ...compared('a_better', 0.02), metric: { name: 'accuracy', goal: 'maximize' as const } }
  expect(said(list(), raised)).toContain('raises accuracy by 0.0200')
})

test('with nothing to compare the best is named, and without a value nothing', () => {
  expect(said(list())).toContain(
    'The best recipe so far reaches val_bpb 1.7000 [1.6900, 1.7100] (n=3 seeds).',
  )
  const none = { campaign: { ...campaign, best: null }, tests: list(), pair: undefined, compared: undefined }
  expect(answerOf(none)).toEqual({
    says: 'No run is valid yet. The first values appear when two machines agree.',
  })
})

test('the answer is about what was promoted last; the gauge about what runs', () => {
  const tests = list(of('promoted'), of('running', { number: 2, challenger: 'e_next' as never }))
  expect(pairOf(tests, best)).toMatchObject({ a: 'e_new', b: 'e_old' })
  expect(watchedIn(tests)?.number).toBe(2)
  expect(pairOf(list(), best)).toMatchObject({ a: 'e_best', b: 'e_old', test: undefined })
  expect(pairOf(list(), { ...best, experimentId: 'e_old' })).toBeUndefined()
})

test('what changed between recipes and between files is told field by field', () => {
  expect(changesOf({ lr: 0.001, width: 16 }, { lr: 0.004, width: 16, depth: 2 })).toBe(
    'depth — → 2 · lr 0.001 → 0.004',
  )
  const before = { space: { lr: { log: [1, 2] } }, title: 'A' }
  expect(differencesOf(before, { space: { lr: { log: [1, 3] } }, title: 'A', rungs: true })).toEqual([
    { path: 'rungs', from: '—', to: 'true' },
    { path: 'space.lr.log', from: '[1,2]', to: '[1,3]' },
  ])
})
