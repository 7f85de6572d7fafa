import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Case, type Success, settle } from '#domain/settle.ts'
import { type Standing, streakOf } from '#domain/trust.ts'
import type { WorkUnitState } from '#domain/types.ts'
import { addMs } from '#protocol/units.ts'
import { hostId, NOW, resultId, workUnit } from '#support/work-units.ts'

const success = fc.record({
  answer: fc.constantFrom('truth', 'truth', 'truth', 'lie'),
  owner: fc.integer({ min: 1, max: 5 }),
  trusted: fc.constantFrom(false, false, false, true),
  proven: fc.boolean(),
  draw: fc.constantFrom('none', 'none', 'replica', 'verifier'),
  verdict: fc.constantFrom('pending', 'pending', 'pending', 'inconclusive'),
  isPaid: fc.boolean(),
  isQuarantined: fc.constantFrom(false, false, false, false, true),
})
const unit = fc.record({
  policy: fc.constantFrom('adaptive', 'fixed'),
  check: fc.constantFrom('none', 'none', 'sample', 'verifier'),
  quorum: fc.integer({ min: 1, max: 3 }),
  isValid: fc.boolean(), // by its first success
})

type Said = Success & { readonly answer: string; readonly state: Standing['state'] }

const scene = fc.tuple(unit, fc.array(success, { minLength: 1, maxLength: 6 })).map(([given, all]) => {
  const said: Said[] = all.map(({ isPaid, isQuarantined, owner, ...rest }, i) => {
    const verdict = given.isValid && i === 0 ? ('valid' as const) : rest.verdict
    const paid = isPaid && !rest.trusted && verdict !== 'inconclusive'
    return {
      ...{ ...rest, verdict, id: resultId(i + 1), hostId: hostId(i + 1), ownerKey: `owner ${owner}` },
      ...{ confirmed: false, reportedAt: NOW, fuelUsed: 600_000_000, decision: 1, unreadable: null },
      paid: paid ? { amountMilli: 6, decision: 0, vested: true } : null,
      state: isQuarantined ? 'quarantined' : 'active',
    }
  })
  const { isValid, ...parameters } = given
  const state: WorkUnitState = isValid
    ? { state: 'valid', canonicalId: resultId(1), publishedAt: null }
    : { state: 'open' }
  return { unit: workUnit(parameters, state), said }
})

test('whatever hosts say: only what is equal is valid, only what is valid is paid, and nobody earns trust from strangers', () => {
  fc.assert(
    fc.property(scene, ({ unit: workUnitBefore, said }) => {
      const answerOf = new Map(said.map(({ id, answer }) => [id, answer]))
      const facts: Case = {
        ...{ workUnit: workUnitBefore, successes: said, priceMilliPerGfuel: 10 },
        same: (a, b) => answerOf.get(a) === answerOf.get(b),
        isRecord: () => false,
        whereTheyPart: () => 'somewhere',
      }
      const before = new Map<Standing['id'], Standing>(
        said.map(({ hostId: id, ownerKey, state }) => [
          id,
          {
            ...{ id, userId: null, ownerKey, state, dailyQuota: 100, recentChecks: '' },
            ...({ selfTest: 'none', streaks: {} } as const),
          },
        ]),
      )
      const { settlement, standings } = settle(facts, before, addMs(NOW, 1))
      const verdictOf = new Map(said.map(s => [s.id, s.verdict] as const))
      for (const { resultId: id, verdict } of settlement.verdicts) verdictOf.set(id, verdict)
      const valid = said.filter(s => verdictOf.get(s.id) === 'valid')
      expect(new Set(valid.map(s => s.answer)).size).toBeLessThanOrEqual(1)
      for (const { resultId: id } of settlement.grants) expect(verdictOf.get(id)).toBe('valid')
      for (const { resultId: id } of settlement.reversals) expect(verdictOf.get(id)).not.toBe('valid')
      for (const { provisional, confirmed } of settlement.verdicts)
        expect(provisional && confirmed).toBe(false)
      if (settlement.demand !== null) expect(settlement.canonicalId).toBeNull()
      for (const s of said) {
        const grew = streakOf(standings.get(s.hostId)!, 'wasm').count > 0
        const vouches = valid.some(
          o => o.id !== s.id && (o.trusted || (o.proven && o.ownerKey !== s.ownerKey)),
        )
        if (grew) expect(verdictOf.get(s.id) === 'valid' && vouches && !s.trusted).toBe(true)
        const isFaulty = standings.get(s.hostId)!.selfTest === 'demanded'
        if (isFaulty) expect(said.some(o => o.trusted && o.answer !== s.answer)).toBe(true)
      }
    }),
    { numRuns: 10_000 },
  )
})
