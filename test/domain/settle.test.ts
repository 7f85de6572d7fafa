import { describe, expect, test } from 'vitest'
import { type Case, type Standing, type Success, settle } from '#domain/settle.ts'
import type { Verdict, WorkUnit } from '#domain/types.ts'
import type { HostId } from '#protocol/units.ts'
import { hostId, resultId, workUnit } from '#support/work-units.ts'

interface Said extends Success {
  readonly answer: string
}

/** Host n said result n: a letter for the answer; `!` trusted, `*` judged valid before, `~` unreadable. */
const parse = (line: string): Said[] =>
  line.split(' ').map((word, i) => ({
    ...{ id: resultId(i + 1), hostId: hostId(i + 1), trusted: word.includes('!'), fuelUsed: 600_000_000 },
    verdict: (word.includes('*') ? 'valid' : 'pending') satisfies Verdict,
    unreadable: word.includes('~') ? 'report.trace: too short' : null,
    answer: word.charAt(0),
  }))

const standing = (n: number, changes: Partial<Standing> = {}): Standing => ({
  ...{ id: hostId(n), userId: null, state: 'active', dailyQuota: 1000, recentChecks: '' },
  ...changes,
})

function settled(unit: WorkUnit, line: string, hosts: readonly Standing[] = []) {
  const successes = parse(line)
  const answers = new Map(successes.map(({ id, answer }) => [id, answer]))
  const facts: Case = {
    ...{ workUnit: unit, successes, priceMilliPerGfuel: 10 },
    same: (a, b) => answers.get(a) === answers.get(b),
    whereTheyPart: (a, b) => `${answers.get(a)} against ${answers.get(b)}`,
  }
  const standings = new Map<HostId, Standing>(successes.map((_, i) => [hostId(i + 1), standing(i + 1)]))
  for (const host of hosts) standings.set(host.id, host)
  return settle(facts, standings)
}

const payOf = (outcome: ReturnType<typeof settled>): string =>
  outcome.settlement.verdicts.map(v => `${v.verdict} ${v.amountMilli}`).join(', ')

test('strangers who agree are paid for their fuel and earn no trust', () => {
  const { settlement, standings } = settled(workUnit(), 'a a')
  expect(settlement).toMatchObject({ canonicalId: resultId(1), becomesDisputed: false, notes: [] })
  expect(settlement.grants).toEqual([
    {
      resultId: resultId(1),
      decision: 0,
      campaignId: workUnit().campaignId,
      payee: `host:${hostId(1)}`,
      amountMilli: 6,
    },
    {
      resultId: resultId(2),
      decision: 0,
      campaignId: workUnit().campaignId,
      payee: `host:${hostId(2)}`,
      amountMilli: 6,
    },
  ])
  expect(standings.get(hostId(1))).toMatchObject({ dailyQuota: 2000, recentChecks: '' })
})

test('a dispute pays nobody and tells both where they part', () => {
  const { settlement, standings } = settled(workUnit(), 'a b')
  expect(settlement).toMatchObject({ canonicalId: null, becomesDisputed: true, verdicts: [], grants: [] })
  expect(settlement.notes.map(({ hostId: id, event }) => [id, event])).toEqual([
    [hostId(1), 'disputed'],
    [hostId(2), 'disputed'],
  ])
  expect(settlement.notes[0]?.detail).toContain('b against a')
  expect(standings.get(hostId(1))).toEqual(standing(1))
})

describe('a trusted result', () => {
  const disputed = workUnit({ disputed: true })

  test('decides for one and against the other, and is unpaid itself', () => {
    const outcome = settled(disputed, 'a b a!')
    expect(payOf(outcome)).toBe('valid 6, invalid 0, valid 0')
    expect(outcome.standings.get(hostId(1))).toMatchObject({ dailyQuota: 2000, recentChecks: '=' })
    expect(outcome.standings.get(hostId(2))).toMatchObject({
      dailyQuota: 500,
      recentChecks: 'x',
      state: 'active',
    })
    expect(outcome.standings.get(hostId(3))).toEqual(standing(3))
    expect(outcome.settlement.notes.map(note => note.event)).toEqual(['differs_from_trusted'])
  })

  test('quarantines at the third difference of twenty', () => {
    const outcome = settled(disputed, 'a b a!', [standing(2, { recentChecks: '==x==x' })])
    expect(outcome.standings.get(hostId(2))).toMatchObject({ recentChecks: '==x==xx', state: 'quarantined' })
    expect(outcome.settlement.notes.map(note => note.event)).toEqual(['differs_from_trusted', 'quarantined'])
  })

  test('that another trusted one contradicts is for people to look at', () => {
    const outcome = settled(disputed, 'a! b!')
    expect(payOf(outcome)).toBe('valid 0, inconclusive 0')
    expect(outcome.settlement.notes).toMatchObject([{ hostId: hostId(2), event: 'differs_from_trusted' }])
  })
})

test('a quarantined host is judged, but earns nothing even when it is right', () => {
  const outcome = settled(workUnit({ disputed: true }), 'a a!', [standing(1, { state: 'quarantined' })])
  expect(payOf(outcome)).toBe('valid 0, valid 0')
  expect(outcome.settlement.grants).toEqual([])
})

test('an unreadable report is invalid, halves the quota, and is no comparison with a trusted result', () => {
  const outcome = settled(workUnit(), 'a~ a!')
  expect(payOf(outcome)).toBe('invalid 0, valid 0')
  expect(outcome.standings.get(hostId(1))).toMatchObject({ dailyQuota: 500, recentChecks: '' })
  expect(outcome.settlement.notes).toMatchObject([
    { event: 'invalid', detail: expect.stringContaining('report.trace') },
  ])
})

describe('a late result of a valid unit', () => {
  const valid = workUnit({}, { state: 'valid', canonicalId: resultId(1), publishedAt: null })
  test.each([
    ['a* a', 'valid 6'],
    ['a* b', 'inconclusive 0'], // strangers decided: they may be wrong
    ['a!* b', 'invalid 0'],
    ['a* b!', 'inconclusive 0'],
  ])('[%s] -> %s', (line, outcome) => {
    expect(payOf(settled(valid, line))).toBe(outcome)
    expect(settled(valid, line).settlement.canonicalId).toBeNull()
  })
})
