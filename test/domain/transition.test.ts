import { describe, expect, test } from 'vitest'
import { cancelWorkUnit, deadlineFor, type Effect, transition } from '#domain/transition.ts'
import type { WorkUnitState } from '#domain/types.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import { DEADLINE_MS, MINUTE, NOW, parseResults, resultId, workUnit } from '#support/work-units.ts'

/** Effects as words; moments in minutes from now, `+` for the millisecond after. */
const summarise = (effects: readonly Effect[]): string => effects.map(word).join(', ')

const minutes = (at: Instant): string => {
  const ms = at - NOW
  return ms % 1000 === 1 ? `${(ms - 1) / MINUTE}+` : String(ms / MINUTE)
}

function word(effect: Effect): string {
  switch (effect.type) {
    case 'expire_result':
      return `expire ${Number(effect.resultId.slice(2))}`
    case 'cancel_result':
      return `cancel ${Number(effect.resultId.slice(2))} until ${minutes(effect.graceUntil)}`
    case 'drop_result':
      return `drop ${Number(effect.resultId.slice(2))}`
    case 'create_results':
      return `create ${effect.count} ${effect.lane === 'anyone' || effect.kind === 'check' ? '' : `${effect.lane} `}${effect.kind} attempt ${effect.attempt}`
    case 'fail':
      return `fail ${effect.failure}`
    case 'request_validation':
      return 'validate'
    case 'wake':
      return effect.at === null ? 'sleep' : `wake ${minutes(effect.at)}`
    default:
      return effect.type
  }
}

describe('an open unit of quorum 2, at most 3 errors', () => {
  test.each([
    ['', 'create 2 replica attempt 0, wake 60'],
    ['U U', 'wake 40'],
    ['P P', 'wake 1'],
    ['P U', 'wake 1'],
    ['S P', 'wake 1'],
    ['S', 'create 1 replica attempt 0, wake 60'],
    ['S S', 'validate, wake 0.25'],
    ['S! P', 'validate, wake 0.25'], // a trusted success is an answer by itself
    ['S S P!', 'wake 1'], // a trusted host computes: wait for it
    ['S S L!', 'expire 3, validate, wake 0.25'],
    ['P L', 'expire 2, create 1 replica attempt 1, wake 1'],
    ['L L', 'expire 1, expire 2, create 2 replica attempt 2, wake 60'],
    ['N O P P', 'wake 1'],
    ['E P', 'create 1 replica attempt 0, wake 1'],
    ['E E E', 'create 2 replica attempt 0, wake 60'],
    ['E E E E', 'fail too_many_errors, publish, wake 0.25'],
    ['E E E B', 'create 2 replica attempt 0, wake 60'], // a volunteer who stops says nothing about the run
    ['E E E E S P U', 'fail too_many_errors, cancel 6 until 5, drop 7, wake 5+'],
    ['E E E E S S', 'validate, wake 0.25'], // an answer comes before a failure
    ['u P', 'fail no_eligible_host, cancel 2 until 5, drop 1, wake 5+'],
    ['I S', 'create 1 replica attempt 0, wake 60'], // an unreadable success is replaced
    ['I I I I I S', 'fail too_many_successes, validate, wake 0.25'],
    ['I I I I S P', 'wake 1'], // the sixth success may still come
    ['O O O O O O O O S P', 'wake 1'], // at the maximum, and the quorum can still be reached
    ['O O O O O O O O O P', 'fail too_many_results, cancel 10 until 5, wake 5+'],
    ['O O O O O O O O O', 'fail too_many_results, publish, wake 0.25'], // creating the tenth would help nobody
    ['O O O O O O O O S', 'create 1 replica attempt 8, wake 60'],
  ])('[%s] -> %s', (results, effects) => {
    expect(summarise(transition(workUnit(), parseResults(results), NOW))).toBe(effects)
  })
})

describe('a disputed unit of quorum 2', () => {
  test.each([
    ['S S', 'create 1 check attempt 0, wake 60'],
    ['S S U', 'drop 3, create 1 check attempt 0, wake 60'], // another stranger cannot settle it
    ['S S P', 'create 1 check attempt 0, wake 1'],
    ['S S P!', 'wake 1'], // a trusted replica settles it as well
    ['S S U?', 'wake 40'],
    ['S S P!?', 'wake 1'],
    ['S S L!?', 'expire 3, create 1 check attempt 1, wake 60'],
    ['S S E!?', 'create 1 check attempt 0, wake 60'],
    ['S S E!? E!? E!? E!?', 'fail too_many_errors, validate, wake 0.25'],
    ['S S O!? O!? O!? O!? O!? O!? O!? O!?', 'fail too_many_results, validate, wake 0.25'],
    ['S S u?', 'fail no_eligible_host, drop 3, validate, wake 0.25'],
    ['S S S!?', 'validate, wake 0.25'],
    ['S S S S S S', 'create 1 check attempt 0, wake 60'], // a check is created beyond the successes allowed
  ])('[%s] -> %s', (results, effects) => {
    expect(summarise(transition(workUnit({ disputed: true }), parseResults(results), NOW))).toBe(effects)
  })
})

describe('an adaptive unit of quorum 2', () => {
  test.each([
    ['', 'create 1 replica attempt 0, wake 60'], // perhaps a proven host takes it
    ['U', 'wake 40'],
    ['P', 'create 1 proven replica attempt 0, wake 1'],
    ['P U', 'wake 1'],
    ['P+', 'wake 1'],
    ['P P+', 'wake 1'],
    ['S+', 'validate, wake 0.25'],
    ['S+ P', 'validate, wake 0.25'],
    ['S+r', 'create 1 unproven replica attempt 0, wake 60'], // a check was drawn
    ['S+r S', 'validate, wake 0.25'],
    ['S+v', 'create 1 check attempt 0, wake 60'],
    ['S+v U', 'drop 2, create 1 check attempt 0, wake 60'],
    ['S+v P!', 'wake 1'],
    ['S+v S!?', 'validate, wake 0.25'],
    ['S', 'create 1 proven replica attempt 0, wake 60'],
    ['S P+', 'wake 1'], // the proven one may stand alone, the stranger may not
    ['S S', 'validate, wake 0.25'],
    ['S U U', 'drop 2, wake 40'], // one too many since a lease was lost
    ['P+ U', 'drop 2, wake 1'],
    ['L', 'expire 1, create 1 replica attempt 1, wake 60'],
    ['L U', 'expire 1, wake 40'],
    ['E E E E', 'fail too_many_errors, publish, wake 0.25'],
    ['O O O O O O O O O O', 'fail too_many_results, publish, wake 0.25'],
  ])('[%s] -> %s', (results, effects) => {
    expect(summarise(transition(workUnit({ policy: 'adaptive' }), parseResults(results), NOW))).toBe(effects)
  })
  test('of quorum 1 believes a stranger, unless a check was drawn', () => {
    const unit = workUnit({ policy: 'adaptive', quorum: 1 })
    expect(summarise(transition(unit, parseResults('S'), NOW))).toBe('validate, wake 0.25')
    expect(summarise(transition(unit, parseResults('Sr'), NOW))).toBe(
      'create 1 proven replica attempt 0, wake 60',
    )
  })
})

describe('a hurried unit', () => {
  const given = { policy: 'adaptive', hurriedAt: addMs(NOW, -MINUTE) } as const // all leases are older
  test.each([
    ['P+', 'create 1 proven replica attempt 0, wake 1'], // a second host is asked
    ['P+ U', 'wake 1'],
    ['P+ S+', 'validate, wake 0.25'], // whoever comes first decides
    ['P+ S+r', 'create 1 unproven replica attempt 0, wake 1'], // a check was drawn: the overtaken host is none
    ['P+ S+r U', 'wake 1'],
    ['P+ S', 'create 1 proven replica attempt 0, wake 1'], // nor does a stranger stand alone because it might have
    ['L+', 'expire 1, create 1 replica attempt 1, wake 60'], // nobody is overtaken any more
    ['S+ U', 'validate, wake 0.25'],
    ['U', 'wake 40'],
  ])('[%s] -> %s', (results, effects) => {
    expect(summarise(transition(workUnit(given), parseResults(results), NOW))).toBe(effects)
  })
  const valid: WorkUnitState = { state: 'valid', canonicalId: resultId(2), publishedAt: null }
  test.each([
    [0.1, 'cancel 1 until 6, wake 6+'], // leased nine minutes ago; its own grace ends in six
    [6, 'cancel 1 until 0, wake 0+'], // it had three minutes then, and as many more are over
    [5, 'cancel 1 until 0, wake 0+'],
    [2.1, 'cancel 1 until 3.9, wake 3.9+'], // 6.9 then: what is usual may be six
  ])(
    'that was hurried %s minutes ago and has its answer lets the overtaken host go on for as long as a run takes',
    (ago, effects) => {
      const unit = workUnit({ ...given, hurriedAt: addMs(NOW, -ago * MINUTE) }, valid)
      expect(summarise(transition(unit, parseResults('P+ V+'), NOW))).toBe(effects)
    },
  )
  test('of a fixed quorum asks for one more as well', () => {
    const unit = workUnit({ ...given, policy: 'fixed' })
    expect(summarise(transition(unit, parseResults('P S'), NOW))).toBe('create 1 replica attempt 0, wake 1')
  })
})

describe('a canary', () => {
  test.each([
    ['', 'create 1 check attempt 0, wake 60'],
    ['U', 'drop 1, create 1 check attempt 0, wake 60'],
    ['P!?', 'wake 1'],
    ['S!?', 'create 1 unproven replica attempt 0, wake 60'],
    ['S!? U', 'wake 40'],
    ['S!? P', 'wake 1'],
    ['S!? S', 'validate, wake 0.25'],
    ['S!? L', 'expire 2, create 1 unproven replica attempt 1, wake 60'],
    ['S!? u', 'validate, wake 0.25'], // nobody came: the verifier's answer is one all the same
    ['S!? E E E E', 'validate, wake 0.25'],
  ])('[%s] -> %s', (results, effects) => {
    const unit = workUnit({ policy: 'adaptive', canary: true })
    expect(summarise(transition(unit, parseResults(results), NOW))).toBe(effects)
  })
})

describe('a valid unit that the verifier is to check', () => {
  const published = { state: 'valid', canonicalId: resultId(1), publishedAt: NOW } as const
  const embargoed = { ...published, publishedAt: null }
  test.each<[WorkUnitState, string, string]>([
    [published, 'V+', 'create 1 check attempt 0, wake 60'],
    [published, 'V+ U?', 'wake 40'],
    [published, 'V+ P!?', 'wake 1'],
    [published, 'V+ L!?', 'expire 2, create 1 check attempt 1, wake 4+'],
    [published, 'V+ S!?', 'validate, wake 0.25'],
    [published, 'V+ V!?', 'sleep'],
    [embargoed, 'V+ S', 'create 1 check attempt 0, wake 60'], // one that differs waits with it
    [embargoed, 'V+ S P!?', 'wake 1'],
    [embargoed, 'V+ S S!?', 'validate, wake 0.25'],
    [embargoed, 'V+ V V!?', 'publish, wake 0.25'],
    [embargoed, 'V+ S u?', 'validate, wake 0.25'], // no verifier came: the answer stands, and its check waits on
    [embargoed, 'V+ u?', 'publish, wake 0.25'],
    [published, 'V+ u?', 'sleep'],
    [published, 'V+ X?', 'create 1 check attempt 0, wake 60'], // wanted for another reason before
  ])('%o [%s] -> %s', (state, results, effects) => {
    const unit = workUnit({ policy: 'adaptive', check: 'verifier' }, state)
    expect(summarise(transition(unit, parseResults(results), NOW))).toBe(effects)
  })
})

describe('a closed unit', () => {
  const valid: WorkUnitState = { state: 'valid', canonicalId: resultId(1), publishedAt: null }
  const failed: WorkUnitState = { state: 'failed', failure: 'too_many_errors', publishedAt: null }
  const cancelled: WorkUnitState = { state: 'cancelled', publishedAt: null }
  test.each<[WorkUnitState, string, string]>([
    [valid, 'V V', 'publish, wake 0.25'],
    [valid, 'V V U', 'drop 3, publish, wake 0.25'],
    [valid, 'V V P', 'wake 1'], // it may still report, and is paid
    [valid, 'V V L', 'expire 3, wake 4+'], // then its grace
    [valid, 'V V N', 'wake 2+'], // the embargo lasts until the grace ends
    [valid, 'V V O', 'publish, wake 0.25'],
    [valid, 'V V N S', 'validate, wake 0.25'],
    [failed, 'E E E E', 'publish, wake 0.25'],
    [failed, 'E E E E S C', 'wake 3+'], // judged together with what may still come
    [failed, 'E E E E S D', 'validate, wake 0.25'],
    [failed, 'E E E E Q D', 'publish, wake 0.25'],
    [cancelled, 'X X', 'publish, wake 0.25'],
    [cancelled, 'C X', 'wake 3+'],
    [{ ...valid, publishedAt: NOW }, 'V V', 'sleep'],
    [{ ...cancelled, publishedAt: NOW }, 'D D', 'sleep'],
  ])('%o [%s] -> %s', (state, results, effects) => {
    expect(summarise(transition(workUnit({}, state), parseResults(results), NOW))).toBe(effects)
  })
})

test.each([
  ['U U', 'cancel, drop 1, drop 2, publish, wake 0.25'],
  ['P U', 'cancel, cancel 1 until 5, drop 2, wake 5+'],
  ['S N', 'cancel, wake 2+'],
  ['S E', 'cancel, validate, wake 0.25'],
])('cancelling an open unit with [%s] -> %s', (results, effects) => {
  expect(summarise(cancelWorkUnit(workUnit(), parseResults(results), NOW))).toBe(effects)
})

test('a closed unit is not cancelled', () => {
  const closed = workUnit({}, { state: 'valid', canonicalId: resultId(1), publishedAt: null })
  expect(cancelWorkUnit(closed, parseResults('V V'), NOW)).toEqual([])
})

test.each([
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 4],
  [9, 4],
])('the deadline of attempt %i is %i times the first', (attempt, factor) => {
  expect(deadlineFor(workUnit(), attempt)).toBe(factor * DEADLINE_MS)
})
