import fc from 'fast-check'
import { expect, test } from 'vitest'
import { transition } from '#domain/transition.ts'
import type { Result, WorkUnit, WorkUnitState } from '#domain/types.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import { applied, type Deed, done, type Life, settled } from '#support/life.ts'
import { GIVE_UP_MS, MINUTE, NOW, parseResults, resultId, workUnit } from '#support/work-units.ts'

const RUNS = { numRuns: 10_000, verbose: fc.VerbosityLevel.None } // fast-check prints the seed of a failure

const parameters = fc
  .record({
    quorum: fc.integer({ min: 1, max: 3 }),
    extra: fc.integer({ min: 0, max: 2 }),
    maxErrorResults: fc.integer({ min: 0, max: 4 }),
    moreSuccesses: fc.integer({ min: 0, max: 4 }),
    moreResults: fc.integer({ min: 0, max: 6 }),
    disputed: fc.boolean(),
    canary: fc.constantFrom(false, false, false, true),
    policy: fc.constantFrom('adaptive' as const, 'adaptive' as const, 'fixed' as const),
    check: fc.constantFrom('none' as const, 'none' as const, 'sample' as const, 'verifier' as const),
    hurriedAt: fc.constantFrom(null, null, addMs(NOW, -MINUTE), addMs(NOW, MINUTE)),
  })
  .map(({ quorum, extra, moreSuccesses, moreResults, ...rest }) => ({
    ...rest,
    quorum,
    targetResults: quorum + extra,
    maxSuccessResults: quorum + extra + moreSuccesses,
    maxTotalResults: quorum + extra + moreSuccesses + moreResults,
  }))

const word = fc
  .tuple(
    fc.constantFrom(...'UuPLSVIQEBNOXCD'),
    fc.constantFrom('', '', '', '!'),
    fc.constantFrom('', '', '', '?'),
    fc.constantFrom('', '+'),
    fc.constantFrom('', '', '', 'r', 'v'),
  )
  .map(parts => parts.join(''))

const states: fc.Arbitrary<WorkUnitState> = fc.constantFrom(
  { state: 'open' },
  { state: 'open' },
  { state: 'valid', canonicalId: resultId(1), publishedAt: null },
  { state: 'failed', failure: 'too_many_errors', publishedAt: null },
  { state: 'cancelled', publishedAt: null },
  { state: 'cancelled', publishedAt: NOW },
)

test('apply the effects, decide again, and nothing remains but a wake-up', () => {
  fc.assert(
    fc.property(parameters, states, fc.array(word, { maxLength: 14 }), (given, state, words) => {
      const life: Life = {
        workUnit: workUnit(given, state),
        results: parseResults(words.join(' ')),
        answers: new Map(),
      }
      const first = transition(life.workUnit, life.results, NOW)
      const after = applied(life, first, NOW)
      const second = transition(after.workUnit, after.results, NOW)
      // What was asked of the validator or the assimilator is asked again until they answer.
      const asked = first.filter(({ type }) => type === 'request_validation' || type === 'publish')
      const rest = second.filter(({ type }) => !asked.some(request => request.type === type))
      expect(rest.map(({ type }) => type)).toEqual(['wake'])
      expect(second.at(-1)).toEqual(first.at(-1))
    }),
    RUNS,
  )
})

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('lease' as const),
      trusted: fc.constantFrom(false, false, true),
      proven: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      answer: fc.constantFrom('truth', 'truth', 'lie'),
      draw: fc.constantFrom(
        'none' as const,
        'none' as const,
        'none' as const,
        'replica' as const,
        'verifier' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('error' as const) }) },
)
const step = fc.record({
  deed,
  pick: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  waitMs: fc.constantFrom(0, 0, MINUTE, 11 * MINUTE, GIVE_UP_MS),
})

test('every life ends closed and published, judged completely, and never beyond its limits', () => {
  fc.assert(
    fc.property(parameters, fc.array(step, { maxLength: 40 }), (given, steps) => {
      let now = NOW
      let { life } = settled(
        { workUnit: workUnit({ ...given, disputed: false }), results: [], answers: new Map() },
        now,
      )
      for (const { deed: what, pick, waitMs } of steps) {
        now = addMs(now, waitMs)
        life = settled(done(settled(life, now).life, what, pick, now), now).life
        expectWithinLimits(life, now)
      }
      expectEnded(abandoned(life, now))
    }),
    RUNS,
  )
})

// Nobody does anything any more: only the unit's own wake-ups move it.
function abandoned(life: Life, start: Instant): Life {
  let [current, now] = [life, start]
  for (let wakes = 0; wakes < 100; wakes++) {
    const { life: next, wakeAt } = settled(current, now)
    if (wakeAt === null) return next
    expect(wakeAt).toBeGreaterThan(now)
    ;[current, now] = [next, wakeAt]
  }
  throw new Error('a hundred wake-ups and no end')
}

const isSuccess = (result: Result): boolean => result.state === 'over' && result.outcome === 'success'

function expectWithinLimits({ workUnit: unit, results }: Life, now: Instant): void {
  expect(results.length).toBeLessThanOrEqual(unit.maxTotalResults)
  const live = results.filter(result => result.state === 'unsent' || result.state === 'in_progress')
  expect(live.filter(result => result.kind === 'check').length).toBeLessThanOrEqual(1)
  expect(live.every(result => result.state !== 'in_progress' || result.deadline > now)).toBe(true)
  if (unit.state !== 'open')
    expect(live.every(result => result.state !== 'unsent' || result.kind === 'check')).toBe(true)
}

function expectEnded({ workUnit: unit, results, answers }: Life): void {
  expect(unit.state).not.toBe('open')
  expect(isPublished(unit)).toBe(true)
  expect(results.filter(isSuccess).every(result => 'verdict' in result && result.verdict !== 'pending')).toBe(
    true,
  )
  if (unit.state !== 'valid') return
  const canonical = answers.get(unit.canonicalId)
  for (const result of results) {
    if ('verdict' in result && result.verdict === 'valid') expect(answers.get(result.id)).toBe(canonical)
    if ('verdict' in result && result.verdict === 'invalid')
      expect(answers.get(result.id)).not.toBe(canonical)
  }
}

const isPublished = (unit: WorkUnit): boolean => unit.state !== 'open' && unit.publishedAt !== null
