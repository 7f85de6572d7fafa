import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Claim, type Judged, type Judgement, judge } from '#domain/judge.ts'
import type { ResultId } from '#protocol/units.ts'
import { resultId } from '#support/work-units.ts'

interface Said extends Claim {
  readonly answer: string
  readonly isJudged: boolean
}

/** `a`, `b`, … are answers; `!` a trusted host's, `-` a quarantined, `+` a proven host's; `r`, `v` a drawn check; `*` judged before. */
const parse = (line: string): Said[] =>
  line.split(' ').flatMap((word, i) => {
    if (word === '') return []
    const claim = { id: resultId(i + 1), trusted: word.includes('!'), excluded: word.includes('-') }
    const draw = word.includes('r') ? 'replica' : word.includes('v') ? 'verifier' : 'none'
    const said = { answer: word.charAt(0), isJudged: word.includes('*') }
    return [{ ...claim, proven: word.includes('+'), draw, ...said }]
  })

const open: Judged = {
  ...({ state: 'open', policy: 'adaptive', minQuorum: 2, engineClass: 'wasm' } as const),
  ...({ disputed: false, check: 'none', canonical: null } as const),
}

function claimsOf(unit: Judged, said: readonly Said[], same: (a: ResultId, b: ResultId) => boolean) {
  const answers = answersOf(unit, said)
  return {
    pending: said.filter(claim => !claim.isJudged),
    judged: said.filter(claim => claim.isJudged),
    same,
    isRecord: (id: ResultId) => answers.get(id) === 'R',
  }
}
const answersOf = (unit: Judged, said: readonly Said[]): ReadonlyMap<ResultId, string> =>
  new Map([...said, ...answerOf(unit.canonical)].map(claim => [claim.id, claim.answer]))
const answerOf = (claim: Claim | null) => (claim === null ? [] : [{ id: claim.id, answer: 'a' }])

function judged(unit: Judged, said: readonly Said[]): Judgement {
  const answers = answersOf(unit, said)
  return judge(
    unit,
    claimsOf(unit, said, (a, b) => answers.get(a) === answers.get(b)),
  )
}

function summarise({ canonicalId, verdicts, demand }: Judgement): string {
  const letters = [...verdicts].map(([id, verdict]) => `${Number(id.slice(2))} ${verdict}`)
  return [
    demand === null ? '' : `verifier: ${demand}`,
    canonicalId === null ? '' : `canonical ${Number(canonicalId.slice(2))}`,
    ...letters,
  ]
    .filter(part => part !== '')
    .join(', ')
}

describe('quorum 2', () => {
  const late = { ...open, state: 'valid' as const }
  const stranger: Claim = {
    id: resultId(90),
    ...({ trusted: false, excluded: false, proven: false, draw: 'none' } as const),
  }
  const trusted = { ...stranger, trusted: true }
  const checked: Judged = { ...late, check: 'verifier', canonical: stranger }
  test.each<[string, Judged, string, string]>([
    ['an open unit', open, 'a', ''],
    ['an open unit', open, 'a a', 'canonical 1, 1 valid, 2 valid'],
    ['an open unit', open, 'a b', 'verifier: disagreement'],
    ['an open unit', open, 'a a b', 'verifier: disagreement'], // not even by two against one
    ['an open unit', open, 'a!', 'canonical 1, 1 valid'],
    ['an open unit', open, 'b b a!', 'canonical 3, 1 invalid, 2 invalid, 3 valid'],
    ['an open unit', open, 'a! b!', 'canonical 1, 1 valid, 2 inconclusive'],
    ['an open unit', open, 'a a-', '2 inconclusive'], // a quarantined host's agreement proves nothing
    ['an open unit', open, 'a a b-', 'canonical 1, 1 valid, 2 valid, 3 inconclusive'],
    ['a disputed unit', { ...open, disputed: true }, 'a a', ''],
    ['a disputed unit', { ...open, disputed: true }, 'a b a!', 'canonical 3, 1 valid, 2 invalid, 3 valid'],
    ['a unit valid by a trusted host', { ...late, canonical: trusted }, 'a b', '1 valid, 2 invalid'],
    ['an open unit', open, 'a+', 'canonical 1, 1 valid'],
    ['an open unit', open, 'a+r', ''],
    ['an open unit', open, 'a+r a', 'canonical 1, 1 valid, 2 valid'],
    ['an open unit', open, 'a+v a', ''],
    ['an open unit', open, 'a+ b', 'verifier: disagreement'], // a proven host is a stranger to a dispute
    ['an open unit', open, 'a+-', '1 inconclusive'],
    ['an open unit of a fixed quorum', { ...open, policy: 'fixed' }, 'a+', ''],
    ['an open unit of the sample', { ...open, check: 'sample' }, 'a a', 'verifier: sample'],
    ['an open unit of the sample', { ...open, check: 'sample' }, 'a a+r', 'canonical 1, 1 valid, 2 valid'],
    ['an open unit that waits for the verifier', { ...open, check: 'verifier' }, 'a a', ''],
    ['a record', open, 'R R', 'verifier: record'],
    ['a record', open, 'R+', 'verifier: record'],
    ['a record', open, 'R R!', 'canonical 2, 1 valid, 2 valid'],
    ['a record of a cancelled unit', { ...open, state: 'cancelled' }, 'R R', '1 valid, 2 valid'],
    ['a unit valid by strangers', { ...late, canonical: stranger }, 'a', '1 valid'],
    ['a unit valid by strangers', { ...late, canonical: stranger }, 'a b', 'verifier: disagreement'],
    ['a unit valid by strangers', { ...late, canonical: stranger }, 'a b-', '1 valid, 2 inconclusive'],
    ['a unit nobody checked', checked, 'a b', '1 valid, 2 inconclusive'], // the verifier never came
    ['an audited unit', checked, 'a* b a!', '2 invalid, 3 valid'],
    ['an audited unit', checked, 'a* c* b b!', 'canonical 4, 1 invalid, 2 invalid, 3 valid, 4 valid'],
    ['an audited unit', checked, 'b* b!', 'canonical 2, 1 valid, 2 valid'],
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
    answer: fc.constantFrom('a', 'a', 'a', 'b', 'R'),
    trusted: fc.constantFrom(false, false, false, false, true),
    proven: fc.constantFrom(false, false, true),
    draw: fc.constantFrom('none', 'none', 'replica', 'verifier'),
    isJudged: fc.constant(false),
    excluded: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 8, selector: claim => claim.id },
)
const units: fc.Arbitrary<Judged> = fc.record({
  state: fc.constantFrom('open', 'open', 'open', 'valid', 'failed', 'cancelled'),
  policy: fc.constantFrom('adaptive', 'fixed'),
  check: fc.constantFrom('none', 'none', 'sample', 'verifier'),
  minQuorum: fc.integer({ min: 1, max: 4 }),
  engineClass: fc.constantFrom('wasm', 'wasm', 'onnx-cpu'),
  disputed: fc.boolean(),
  canonical: fc.constantFrom(
    null,
    ...[true, false].map(trusted => ({
      ...{ id: resultId(99), trusted, excluded: false },
      ...({ proven: false, draw: 'none' } as const),
    })),
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
      const answers = answersOf(unit, said)
      const same = (a: ResultId, b: ResultId) => answers.get(a) === answers.get(b)
      const straight = judge(unit, claimsOf(unit, said, same))
      expect(
        judge(
          unit,
          claimsOf(unit, shuffled, (a, b) => same(b, a)),
        ),
      ).toEqual(straight)
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
        const alone =
          unit.policy === 'adaptive' && voters.some(claim => claim.proven && claim.draw === 'none')
        expect(voters.length).toBeGreaterThanOrEqual(alone ? 1 : unit.minQuorum)
        expect(unit.check).not.toBe('verifier')
        expect(unit.check === 'none' || voters.some(claim => claim.proven)).toBe(true)
        expect(voters.every(claim => claim.draw !== 'verifier')).toBe(true)
        // Of a class with a tolerance a proven host beside another one vouches for a record; in an exact one nobody does.
        const isVouchedFor =
          unit.engineClass === 'onnx-cpu' && voters.length > 1 && voters.some(claim => claim.proven)
        expect(isVouchedFor || voters.every(claim => claim.answer !== 'R')).toBe(true)
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
