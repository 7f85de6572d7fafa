import { expect, test } from 'vitest'
import type { Settlement } from '#domain/settle.ts'
import { settledBy } from '#domain/settled.ts'
import { isWanted, transition } from '#domain/transition.ts'
import { NOW, parseResults, workUnit } from '#support/work-units.ts'

const unit = workUnit({ policy: 'adaptive', quorum: 1 })
const [pending] = parseResults('S+')
if (pending === undefined) throw new Error('one letter is one result')
const nothing: Settlement = {
  ...{ workUnitId: unit.id, canonicalId: null, overturned: false, demand: null, verdicts: [] },
  ...{ confirmed: [], doubted: [], grants: [], reversals: [], vests: [], notes: [] },
}
const valid = {
  resultId: pending.id,
  verdict: 'valid' as const,
  amountMilli: 10,
  confirmed: false,
  provisional: true,
}
const after = (settlement: Partial<Settlement>, workUnit = unit) =>
  settledBy({ workUnit, results: [pending] }, { ...nothing, ...settlement })

test('a unit that got its answer has nothing to wait for but to be published', () => {
  const { workUnit, results } = after({ canonicalId: pending.id, verdicts: [valid] })
  expect(workUnit).toMatchObject({ state: 'valid', canonicalId: pending.id, publishedAt: null })
  expect(results).toMatchObject([{ verdict: 'valid', proven: true }])
  expect(isWanted('publish', transition(workUnit, results, NOW))).toBe(true)
})

test('a unit of which the verifier is asked waits for its check, disputed only where two disagree', () => {
  const { workUnit, results } = after({ demand: 'record' })
  expect(workUnit).toMatchObject({ state: 'open', check: 'verifier', disputed: false })
  expect(transition(workUnit, results, NOW)).toMatchObject([{ type: 'create_results', kind: 'check' }, {}])
  expect(after({ demand: 'disagreement' }).workUnit).toMatchObject({ check: 'verifier', disputed: true })
})

test('whose streak broke since stands alone no more: a second host is asked', () => {
  const of = workUnit({ policy: 'adaptive', quorum: 2 })
  const { workUnit: unit, results } = after({ doubted: [pending.id] }, of)
  expect(results).toMatchObject([{ verdict: 'pending', proven: false }])
  expect(transition(unit, results, NOW)).toMatchObject([{ type: 'create_results', kind: 'replica' }, {}])
})
