import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Claim, type Judged, type Judgement, judge } from '#domain/judge.ts'
import type { ResultId } from '#protocol/units.ts'
import { resultId } from '#support/work-units.ts'

interface Said extends Claim {
  readonly answer: string
}

/** `a`, `b`, … are answers; `!` a trusted host's, `-` a quarantined host's. */
const parse = (line: string): Said[] =>
  line.split(' ').flatMap((word, i) => {
    if (word === '') return []
    const claim = { id: resultId(i + 1), trusted: word.includes('!'), excluded: word.includes('-') }
    return [{ ...claim, answer: word.charAt(0) }]
  })

const open: Judged = { state: 'open', minQuorum: 2, disputed: false, canonical: null }

function judged(unit: Judged, claims: readonly Said[]): Judgement {
  const answers = new Map([...claims, ...answerOf(unit.canonical)].map(claim => [claim.id, claim.answer]))
  return judge(unit, claims, (a, b) => answers.get(a) === answers.get(b))
}
const answerOf = (claim: Claim | null): Said[] => (claim === null ? [] : [{ ...claim, answer: 'a' }])

function summarise({ canonicalId, verdicts, disputed }: Judgement): string {
  const letters = [...verdicts].map(([id, verdict]) => `${Number(id.slice(2))} ${verdict}`)
  return [
    disputed ? 'disputed' : '',
    canonicalId === null ? '' : `canonical ${Number(canonicalId.slice(2))}`,
    ...letters,
  ]
    .filter(part => part !== '')
    .join(', ')
}

describe('quorum 2', () => {
  const late = { ...open, state: 'valid' as const }
  const stranger = { id: resultId(90), trusted: false, excluded: false }
  const trusted = { id: resultId(90), trusted: true, excluded: false }
  test.each<[string, Judged, string, string]>([
    ['an open unit', open, 'a', ''],
    ['an open unit', open, 'a a', 'canonical 1, 1 valid, 2 valid'],
    ['an open unit', open, 'a b', 'disputed'],
    ['an open unit', open, 'a a b', 'disputed'], // not even by two against one
    ['an open unit', open, 'a!', 'canonical 1, 1 valid'],
    ['an open unit', open, 'b b a!', 'canonical 3, 1 invalid, 2 invalid, 3 valid'],
    ['an open unit', open, 'a! b!', 'canonical 1, 1 valid, 2 inconclusive'],
    ['an open unit', open, 'a a-', '2 inconclusive'], // a quarantined host's agreement proves nothing
    ['an open unit', open, 'a a b-', 'canonical 1, 1 valid, 2 valid, 3 inconclusive'],
    ['a disputed unit', { ...open, disputed: true }, 'a a', ''],
    ['a disputed unit', { ...open, disputed: true }, 'a b a!', 'canonical 3, 1 valid, 2 invalid, 3 valid'],
    ['a unit valid by a trusted host', { ...late, canonical: trusted }, 'a b', '1 valid, 2 invalid'],
    ['a unit valid by strangers', { ...late, canonical: stranger }, 'a b', '1 valid, 2 inconclusive'],
    ['a cancelled unit', { ...open, state: 'cancelled' }, 'a', '1 inconclusive'],
    ['a cancelled unit', { ...open, state: 'cancelled' }, 'a a', '1 valid, 2 valid'],
    ['a cancelled unit', { ...open, state: 'cancelled' }, 'a b', '1 inconclusive, 2 inconclusive'],
    ['a failed unit', { ...open, state: 'failed', disputed: true }, 'a a', '1 inconclusive, 2 inconclusive'],
    ['a failed unit', { ...open, state: 'failed' }, 'b a!', '1 invalid, 2 valid'],
  ])('%s, %o, [%s] -> %s', (_, unit, claims, outcome) => {
    expect(summarise(judged(unit, parse(claims)))).toBe(outcome)
  })
})

const claims = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 1, max: 20 }).map(resultId),
    answer: fc.constantFrom('a', 'a', 'a', 'b', 'c'),
    trusted: fc.constantFrom(false, false, false, false, true),
    excluded: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 8, selector: claim => claim.id },
)
const units: fc.Arbitrary<Judged> = fc.record({
  state: fc.constantFrom('open', 'open', 'open', 'valid', 'failed', 'cancelled'),
  minQuorum: fc.integer({ min: 1, max: 4 }),
  disputed: fc.boolean(),
  canonical: fc.constantFrom(
    null,
    ...[true, false].map(trusted => ({ id: resultId(99), trusted, excluded: false })),
  ),
})

test('judging does not depend on the order of results, nor on which of two is compared with which', () => {
  const scenario = fc
    .tuple(units, claims)
    .chain(([unit, said]) =>
      fc.tuple(fc.constant(unit), fc.constant(said), fc.shuffledSubarray(said, { minLength: said.length })),
    )
  fc.assert(
    fc.property(scenario, ([unit, said, shuffled]) => {
      const answers = new Map(
        [...said, { id: resultId(99), answer: 'a' }].map(({ id, answer }) => [id, answer]),
      )
      const same = (a: ResultId, b: ResultId) => answers.get(a) === answers.get(b)
      const straight = judge(unit, said, same)
      expect(judge(unit, shuffled, (a, b) => same(b, a))).toEqual(straight)
    }),
    { numRuns: 10_000 },
  )
})

test('strangers settle nothing they disagree on, and no lie beats a trusted result', () => {
  fc.assert(
    fc.property(units, claims, (unit, said) => {
      const { canonicalId, verdicts } = judged({ ...unit, state: 'open' }, said)
      const answers = new Map(said.map(({ id, answer }) => [id, answer]))
      const truth = said.toSorted((a, b) => (a.id < b.id ? -1 : 1)).find(claim => claim.trusted)
      if (truth !== undefined) expect(canonicalId).toBe(truth.id)
      else if (canonicalId !== null) {
        const voters = said.filter(claim => !claim.excluded)
        expect(new Set(voters.map(claim => claim.answer)).size).toBe(1)
        expect(voters.length).toBeGreaterThanOrEqual(unit.minQuorum)
      }
      for (const [id, verdict] of verdicts) {
        if (verdict === 'valid' && canonicalId !== null)
          expect(answers.get(id)).toBe(answers.get(canonicalId))
        if (verdict === 'invalid') expect(answers.get(id)).not.toBe(truth?.answer)
      }
    }),
    { numRuns: 10_000 },
  )
})
