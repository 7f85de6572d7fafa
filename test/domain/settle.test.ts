import { describe, expect, test } from 'vitest'
import { type Case, type Success, settle } from '#domain/settle.ts'
import { NO_STREAK, type Standing, type Streak } from '#domain/trust.ts'
import type { Draw, Verdict, WorkUnit } from '#domain/types.ts'
import { addMs, type HostId, UserId } from '#protocol/units.ts'
import { hostId, MINUTE, NOW, resultId, workUnit } from '#support/work-units.ts'

interface Said extends Success {
  readonly answer: string
}

/**
 * Host n said result n: a letter for the answer, `R` for a record; `!` trusted, `+` proven, `r` and `v` a drawn check, `*` judged
 * valid before, `$` and paid (`h` held), `~` unreadable, `=` of the owner of host 1.
 */
const parse = (line: string): Said[] =>
  line.split(' ').map((word, i) => ({
    ...{ id: resultId(i + 1), hostId: hostId(i + 1), trusted: word.includes('!'), fuelUsed: 600_000_000 },
    ...{ ownerKey: `owner ${word.includes('=') ? 1 : i + 1}`, proven: word.includes('+'), confirmed: false },
    draw: word.includes('r') ? 'replica' : word.includes('v') ? 'verifier' : ('none' satisfies Draw),
    verdict: (/[*]/.test(word) ? 'valid' : 'pending') satisfies Verdict,
    ...{ reportedAt: NOW, decision: 0 },
    paid: word.includes('$') ? { amountMilli: 6, decision: 0, vested: !word.includes('h') } : null,
    unreadable: word.includes('~') ? 'report.trace: too short' : null,
    answer: word.charAt(0),
  }))

const standing = (n: number, changes: Partial<Standing> = {}): Standing => ({
  ...({ id: hostId(n), userId: null, ownerKey: `owner ${n}`, state: 'active', dailyQuota: 1000 } as const),
  ...({ recentChecks: '', selfTest: 'none', streaks: {} } as const),
  ...changes,
})

const LATER = addMs(NOW, MINUTE)
const PAYER = UserId.parse(`u_${'1'.padStart(26, '0')}`)

function settled(unit: WorkUnit, line: string, hosts: readonly Standing[] = []) {
  const successes = parse(line)
  const answers = new Map(successes.map(({ id, answer }) => [id, answer]))
  const facts: Case = {
    ...{ workUnit: unit, successes, priceMilliPerGfuel: 10, payerId: PAYER },
    same: (a, b) => answers.get(a) === answers.get(b),
    isRecord: id => answers.get(id) === 'R',
    whereTheyPart: (a, b) => `${answers.get(a)} against ${answers.get(b)}`,
  }
  const standings = new Map<HostId, Standing>(successes.map((_, i) => [hostId(i + 1), standing(i + 1)]))
  for (const host of hosts) standings.set(host.id, host)
  return settle(facts, standings, LATER)
}

const payOf = (outcome: ReturnType<typeof settled>): string =>
  outcome.settlement.verdicts.map(v => `${v.verdict} ${v.amountMilli}`).join(', ')

test('strangers who agree are paid for their fuel and earn no trust', () => {
  const { settlement, standings } = settled(workUnit(), 'a a')
  expect(settlement).toMatchObject({ canonicalId: resultId(1), demand: null, notes: [] })
  expect(settlement.grants).toEqual([
    {
      resultId: resultId(1),
      decision: 0,
      campaignId: workUnit().campaignId,
      hostId: hostId(1),
      payee: `host:${hostId(1)}`,
      amountMilli: 6,
    },
    {
      resultId: resultId(2),
      decision: 0,
      campaignId: workUnit().campaignId,
      hostId: hostId(2),
      payee: `host:${hostId(2)}`,
      amountMilli: 6,
    },
  ])
  expect(standings.get(hostId(1))).toMatchObject({ dailyQuota: 2000, recentChecks: '', streaks: {} })
})

test("a host that its campaign's owner claimed meanwhile earns nothing from it", () => {
  expect(payOf(settled(workUnit(), 'a a', [standing(1, { userId: PAYER })]))).toBe('valid 0, valid 6')
})

test('a dispute pays nobody and tells both where they part', () => {
  const { settlement, standings } = settled(workUnit(), 'a b')
  expect(settlement).toMatchObject({ canonicalId: null, demand: 'disagreement', verdicts: [], grants: [] })
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
      selfTest: 'demanded',
      streaks: { wasm: { ...NO_STREAK, faultAt: LATER } },
    })
    expect(outcome.standings.get(hostId(3))).toEqual(standing(3))
    expect(outcome.settlement.notes.map(note => note.event)).toEqual(['differs_from_trusted'])
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
    ['a* b', ''], // strangers decided: they may be wrong, so the verifier is asked
    ['a!* b', 'invalid 0'],
    ['a* a!* b', 'invalid 0'],
  ])('[%s] -> %s', (line, outcome) => {
    expect(payOf(settled(valid, line))).toBe(outcome)
    expect(settled(valid, line).settlement.canonicalId).toBeNull()
    expect(settled(valid, line).settlement.demand).toBe(line === 'a* b' ? 'disagreement' : null)
  })
})

describe('adaptive replication', () => {
  const adaptive = workUnit({ policy: 'adaptive' })
  const streakIn = (outcome: ReturnType<typeof settled>, n: number): Streak =>
    outcome.standings.get(hostId(n))?.streaks.wasm ?? NO_STREAK
  const decisions = ({ settlement }: ReturnType<typeof settled>): string =>
    settlement.verdicts
      .map(v => [v.verdict, v.provisional ? 'provisional' : '', v.confirmed ? 'confirmed' : ''])
      .map(words => words.filter(Boolean).join(' '))
      .join(', ')

  test.each([
    ['a+', 'valid provisional', [0]],
    ['a+r', '', [0]],
    ['a+r a', 'valid, valid confirmed', [0, 1]], // the stranger does not vouch for the proven one
    ['a+r a+', 'valid confirmed, valid confirmed', [1, 1]],
    ['a+r a+=', 'valid, valid', [0, 0]], // one owner
    ['a a', 'valid, valid', [0, 0]], // two newcomers vouch for nobody
    ['a+v a!', 'valid confirmed, valid confirmed', [1, 0]],
    ['a a!', 'valid confirmed, valid confirmed', [1, 0]],
    ['a b a!', 'valid confirmed, invalid, valid confirmed', [1, 0, 0]],
  ])('[%s] -> %s, streaks %o', (line, outcome, streaks) => {
    const after = settled(adaptive, line)
    expect(decisions(after)).toBe(outcome)
    expect(streaks.map((_, i) => streakIn(after, i + 1).count)).toEqual(streaks)
  })

  test('a passed check adds its fuel to the streak and makes final what was reported until it was drawn', () => {
    const before = { ...NO_STREAK, count: 9, fuel: 1e9 }
    const after = settled(adaptive, 'a+v a!', [standing(1, { streaks: { wasm: before } })])
    expect(streakIn(after, 1)).toEqual({ count: 10, fuel: 1.6e9, finalUntil: NOW, faultAt: null })
  })

  test('a passed audit makes final what was reported until the audit was drawn', () => {
    const unit = workUnit(
      { policy: 'adaptive', check: 'verifier', auditedAt: LATER },
      { state: 'valid', canonicalId: resultId(1), publishedAt: NOW },
    )
    const after = settled(unit, 'a+*$ a!')
    expect(after.settlement).toMatchObject({ confirmed: [resultId(1)], overturned: false, grants: [] })
    expect(streakIn(after, 1).finalUntil).toBe(LATER)
  })

  test('a failed audit takes the pay back, withdraws the answer and puts the verifier’s in its place', () => {
    const unit = workUnit(
      { policy: 'adaptive', check: 'verifier', auditedAt: NOW },
      { state: 'valid', canonicalId: resultId(1), publishedAt: NOW },
    )
    const after = settled(unit, 'b+*$ a!', [standing(1, { streaks: { wasm: { ...NO_STREAK, count: 50 } } })])
    expect(after.settlement).toMatchObject({ canonicalId: resultId(2), overturned: true, grants: [] })
    expect(after.settlement.reversals).toMatchObject([{ resultId: resultId(1), amountMilli: 6 }])
    expect(decisions(after)).toBe('invalid, valid confirmed')
    expect(streakIn(after, 1)).toMatchObject({ count: 0, faultAt: LATER })
  })

  test('a record waits for the verifier, whoever computed it', () => {
    for (const line of ['R+', 'R R'])
      expect(settled(adaptive, line).settlement).toMatchObject({ demand: 'record', verdicts: [] })
    expect(decisions(settled(adaptive, 'R+ R!'))).toBe('valid confirmed, valid confirmed')
  })

  test('what a host reported before its fault does not stand alone any more', () => {
    const faulty = standing(1, { streaks: { wasm: { ...NO_STREAK, faultAt: NOW } } })
    expect(settled(adaptive, 'a+', [faulty]).settlement).toMatchObject({
      doubted: [resultId(1)],
      verdicts: [],
      canonicalId: null,
    })
    const paused = standing(1, { state: 'paused' })
    expect(settled(adaptive, 'a+', [paused]).settlement.doubted).toEqual([resultId(1)])
  })

  test('a fault of a paused host excludes it: its owner cheated already', () => {
    const after = settled(workUnit({ disputed: true }), 'b a!', [standing(1, { state: 'paused' })])
    expect(after.standings.get(hostId(1))?.state).toBe('quarantined')
    expect(after.settlement.notes.map(note => note.event)).toEqual(['differs_from_trusted', 'quarantined'])
  })

  test('a re-opened result that is right keeps its pay, one that is wrong loses it', () => {
    const after = settled(workUnit({ disputed: true }), 'a$ b$ a!')
    expect(after.settlement.grants).toEqual([])
    expect(after.settlement.reversals).toMatchObject([{ resultId: resultId(2), amountMilli: 6 }])
    expect(payOf(after)).toBe('valid 6, invalid 0, valid 0')
    const held = settled(workUnit({ disputed: true }), 'a$h a!').settlement
    expect(held.vests).toMatchObject([{ resultId: resultId(1), amountMilli: 6 }])
  })

  test.each([
    ['demanded', 0],
    ['passed', 0],
    ['failed', 6], // the machine is broken: what it computed right is paid
  ] as const)(
    'one that its host’s own fault had opened, whose self-test is %s, keeps %i',
    (selfTest, kept) => {
      const streaks = { wasm: { ...NO_STREAK, faultAt: NOW } }
      const after = settled(workUnit({ disputed: true }), 'a$ b$ a!', [standing(1, { selfTest, streaks })])
      expect(payOf(after)).toBe(`valid ${kept}, invalid 0, valid 0`)
      const reversed = after.settlement.reversals.map(reversal => reversal.resultId)
      expect(reversed).toEqual(kept === 0 ? [resultId(1), resultId(2)] : [resultId(2)])
      expect(after.settlement.grants).toEqual([])
    },
  )
})
